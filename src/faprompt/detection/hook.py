"""A command of the user's that is run for an image: no shell, bounded time, no way to stop us."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from difflib import get_close_matches
from typing import IO

from faprompt.errors import ConfigError

PLACEHOLDERS = ("path", "score", "decision", "margin", "product", "map")
DONE = "done"
TOLD = 200
"""Characters of a failed command's last words that are kept."""
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class Hook:
    """A command with placeholders such as ``{path}``, filled argument by argument.

    Whatever a path holds (blanks, quotes, semicolons) stays within its argument.

    Args:
        command: As typed; split as a shell would, once, and never run by a shell.
        timeout: Seconds after which it is ended, with all that it started.

    Raises:
        ConfigError: empty, quotes do not match, unknown placeholder, no such program.

    Example:
        >>> Hook("echo {path} '{score} of 1'").filled(path="a b.png", score="0.75")
        ['echo', 'a b.png', '0.75 of 1']
    """

    def __init__(self, command: str, *, timeout: float = 10.0) -> None:
        self.timeout = timeout
        where = f"command {command!r}"
        try:
            self.arguments = shlex.split(command)
        except ValueError as error:
            raise ConfigError(f"{where}: cannot be split into words ({error})") from None
        if not self.arguments:
            raise ConfigError(f"{where}: empty; needed is a program, such as 'alarm {{path}}'")
        for name in _PLACEHOLDER.findall(command):
            if name not in PLACEHOLDERS:
                near = get_close_matches(name, PLACEHOLDERS, n=1, cutoff=0.0)[0]
                raise ConfigError(
                    f"{where}: unknown placeholder {{{name}}}; did you mean {{{near}}}?"
                )
        if shutil.which(self.arguments[0]) is None:
            raise ConfigError(
                f"{where}: no program {self.arguments[0]!r} found; give its full path"
            )

    def filled(self, **values: str) -> list[str]:
        """The command's words; a value is never searched for placeholders itself."""
        return [
            _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), argument)
            for argument in self.arguments
        ]

    def __call__(self, **values: str) -> str:
        """Run it and wait; returns ``done``, or what went wrong."""
        with tempfile.TemporaryFile() as output:  # a pipe that nobody closes would hold us up
            try:
                process = subprocess.Popen(
                    self.filled(**values),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl+C is for us alone
                )
            except (OSError, ValueError) as error:
                return f"could not be started ({error})"
            try:
                status = process.wait(self.timeout)
            except subprocess.TimeoutExpired:
                _end(process)
                return f"ended after {self.timeout:g} s"
            return DONE if status == 0 else f"exit status {status}{_last_words(output)}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process with its children."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _last_words(output: IO[bytes]) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - 4 * TOLD))
    words = " ".join(output.read().decode(errors="replace").split())[-TOLD:]
    return f": {words}" if words else ""
