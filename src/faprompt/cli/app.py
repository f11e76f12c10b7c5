"""The application that every command module registers with.

A command module imports :data:`app` and decorates one function (or adds a group of its own); it
imports torch and the rest of the library inside that function, so that ``--help`` stays instant.
"""

from typing import Annotated

import typer

from faprompt import __version__

app = typer.Typer(
    name="faprompt",
    help="Find and locate visual anomalies without training on the inspected product.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"faprompt {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Find and locate visual anomalies without training on the inspected product."""
