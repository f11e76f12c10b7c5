"""The ``models`` commands: what the registry knows and what is on this machine."""

import typer

from faprompt.cli.app import app

models = typer.Typer(help="Backbones: what is known, what is here, fetch and check.")
app.add_typer(models, name="models", no_args_is_help=True)


@models.command("list")
def list_models() -> None:
    """List the backbones of the registry."""
