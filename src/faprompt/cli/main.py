"""Entry point: gather the commands, run one, turn our errors into one line on standard error."""

import sys
from collections.abc import Sequence
from importlib import import_module

import typer

from faprompt.cli.app import app
from faprompt.cli.printing import never_fail, printable
from faprompt.errors import FAPromptError

COMMANDS = (
    "demo",
    "predict",
    "evaluate",
    "calibrate",
    "drift",
    "review",
    "watch",
    "train",
    "benchmark",
    "import_checkpoint",
    "datasets",
    "models",
    "verify",
    "export",
    "serve",
    "pretrain",
)
"""Modules of this folder, in the order of ``faprompt --help``. Each registers itself on import."""

EXIT_FAILED = 1  # usage errors are 2, an interrupt is 130: both are typer's own


def load_commands() -> typer.Typer:
    """Import every command module and return the complete application."""
    for name in COMMANDS:
        import_module(f"faprompt.cli.{name}")
    return app


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line with ``args`` (default: the process's) and exit.

    Exit codes: 0 done, 1 one of our errors, 2 wrong usage, 130 interrupted.
    """
    never_fail()
    try:
        load_commands()(args, prog_name="faprompt")
    except FAPromptError as error:
        line = printable(" ".join(str(error).split()))
        typer.secho(f"error: {line}", err=True, fg=typer.colors.RED)
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:  # while the commands were being imported
        sys.exit(130)
