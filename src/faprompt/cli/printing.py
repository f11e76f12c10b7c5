"""What file names and messages may do to a terminal: nothing."""

import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def printable(text: object) -> str:
    r"""A text on one line, with everything that is not to be seen escaped.

    Names of files may hold line ends, orders to the terminal, or bytes that are no text.

    Example:
        >>> printable("a\nb\x1b[2J")
        'a\\nb\\x1b[2J'
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))


def warn(console: "Console", text: object) -> None:
    """One line of trouble that stops nothing; it may name files."""
    line = printable(text)
    console.print(line, style="yellow", soft_wrap=True, highlight=False, markup=False)


def never_fail() -> None:
    """Escape what the terminal's encoding lacks, in place of an exception."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
