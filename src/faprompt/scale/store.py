"""Where a run's files lie: a folder here, or any place that fsspec reaches."""

import posixpath
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from faprompt.data.remote import file_system, is_url
from faprompt.errors import OutputError
from faprompt.files import replacing, sweep


class Store:
    """Reads and writes whole files by name; holds nothing open, so that it can be sent to workers.

    A file is written under a temporary name and renamed. Object stores rename by copying, and the
    copy appears whole or not at all, too.
    """

    def __init__(self, root: str | Path) -> None:
        text = str(root)
        self.root = text.rstrip("/") if is_url(text) else str(Path(text).absolute())
        """An absolute path, or a URL."""
        self.remote = is_url(text)

    def where(self, name: str) -> str:
        """The full name of a file, as texts name it."""
        return f"{self.root}/{name}"

    def names(self, folder: str = "") -> set[str]:
        """Finished files and folders directly inside ``folder``; none if it is not there."""
        if not self.remote:
            here = Path(self.root, folder)
            found = [p.name for p in here.iterdir()] if here.is_dir() else []
        else:
            system, path = self._at(folder)
            system.invalidate_cache()
            try:
                listed = system.ls(path, detail=False)
            except FileNotFoundError:
                listed = []
            found = [posixpath.basename(str(p).rstrip("/")) for p in listed]
        return {name for name in found if not name.startswith(".")}

    def exists(self, name: str) -> bool:
        """Whether a file is there, whole."""
        if not self.remote:
            return Path(self.root, name).is_file()
        system, path = self._at(name)
        system.invalidate_cache()
        return bool(system.exists(path))

    def open(self, name: str) -> BinaryIO:
        """A file to read from at any position.

        Raises:
            OutputError: it is missing or cannot be read.
        """
        try:
            if not self.remote:
                return Path(self.root, name).open("rb")
            system, path = self._at(name)
            file: BinaryIO = system.open(path, "rb")
        except OSError as error:
            raise OutputError(f"{self.where(name)}: cannot be read ({error})") from error
        return file

    def read(self, name: str) -> bytes:
        """All of a file.

        Raises:
            OutputError: it is missing or cannot be read.
        """
        with self.open(name) as file:
            return file.read()

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        if not self.remote:
            with replacing(Path(self.root, name)) as temporary:
                temporary.write_bytes(content)
            return
        self._put(name, lambda system, path: system.pipe_file(path, content))

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yield a temporary path here; the file is that of ``name`` when the block succeeds.

        For what is too large for memory, or is written by a library that wants a path.

        Raises:
            OutputError: it cannot be written.
        """
        if not self.remote:
            with replacing(Path(self.root, name)) as temporary:
                yield temporary
            return
        with tempfile.TemporaryDirectory(prefix="faprompt-") as folder:
            content = Path(folder, "content")
            yield content
            self._put(name, lambda system, path: system.put_file(str(content), path))

    def _put(self, name: str, write: Callable[[Any, str], Any]) -> None:
        """Write a file elsewhere under a temporary name, and rename it."""
        system, path = self._at(name)
        folder, base = posixpath.split(path)
        temporary_path = posixpath.join(folder, f".{base}.{secrets.token_hex(4)}")
        try:
            system.makedirs(folder, exist_ok=True)
            write(system, temporary_path)
            system.mv(temporary_path, path)
        except Exception as error:  # every client has errors of its own
            raise OutputError(f"{self.where(name)}: cannot be written ({error})") from error

    def remove(self, name: str) -> None:
        """Take a file away; it may be gone already."""
        if not self.remote:
            Path(self.root, name).unlink(missing_ok=True)
            return
        system, path = self._at(name)
        if system.exists(path):
            system.rm_file(path)

    def sweep(self, folder: str) -> None:
        """Remove temporary files that killed processes left; those of living ones look the same."""
        if not self.remote:
            sweep(Path(self.root, folder), below=False)
            return
        system, path = self._at(folder)
        system.invalidate_cache()
        if system.exists(path):
            for name in system.ls(path, detail=False):
                if posixpath.basename(str(name)).startswith("."):
                    system.rm_file(name)

    def _at(self, name: str) -> tuple[Any, str]:
        system, root = file_system(self.root)
        return system, posixpath.join(root, name) if name else root
