"""Files from elsewhere where the work is done: fetched once, as copies that go when it is over."""

import tempfile
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Self

from faprompt.data.remote import fetch, is_url
from faprompt.errors import FAPromptError, OutputError


class Copies:
    """Makes copies; used as a context, at whose end they are gone. Threads may share it."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._numbers = count()
        self._folder: Path | None = None
        self._lock, self._stack = Lock(), ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove all copies."""
        self._stack.close()

    def here(self, name: str) -> Path:
        """The file of a name: itself, or a copy of what is elsewhere.

        Raises:
            DataError: it cannot be fetched.
            ConfigError: see :func:`faprompt.data.remote.file_system`.
            OutputError: there is no room for a copy.
        """
        if not is_url(name):
            return Path(name)
        content = fetch(name)
        path = self._room() / f"{next(self._numbers)}-copy"
        try:
            path.write_bytes(content)
        except OSError as error:
            reason = error.strerror
            raise OutputError(f"{path}: no room for a copy ({reason}); set TMPDIR") from error
        self._names[str(path)] = name
        return path

    def drop(self, path: str | Path) -> None:
        """Remove a copy; a file that is none stays."""
        if self._names.pop(str(path), None) is not None:
            Path(path).unlink()

    def reason(self, error: FAPromptError) -> str:
        """What an error says, with the names that copies stand for."""
        text = str(error)
        for copy, name in list(self._names.items()):
            text = text.replace(copy, name)
        return text

    def _room(self) -> Path:
        with self._lock:
            if self._folder is None:
                place = tempfile.TemporaryDirectory(prefix="faprompt-", ignore_cleanup_errors=True)
                self._folder = Path(self._stack.enter_context(place))
            return self._folder
