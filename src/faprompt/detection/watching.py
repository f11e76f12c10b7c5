"""New files of a folder, as soon as they are whole; the log of what was decided; a hook per NG.

Free of torch. Everything that must survive a restart is in the log, one JSON object per line.
"""

import json
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from faprompt.data.files import images_below
from faprompt.errors import ConfigError, DataError, OutputError
from faprompt.files import refuse_foreign, write_text

LOG = "log.jsonl"
HOOK_SECONDS = 60
"""A hook that takes longer is stopped: what comes after must not wait for ever."""

Row = dict[str, Any]
Stamp = tuple[str, int, int]
"""Path, size in bytes and time of change in nanoseconds: a file, as it was."""


def stamp_of(path: Path) -> Stamp | None:
    """The stamp of a file; None if it is gone or empty."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (str(path), status.st_size, status.st_mtime_ns) if status.st_size else None


class WatchedFolder:
    """Tells which files have come and are whole: those that have stopped changing."""

    def __init__(
        self,
        folder: Path,
        *,
        settle: float,
        exclude: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Look at a folder and all below it.

        Args:
            folder: That files come to.
            settle: Seconds for which size and time of a whole file have not changed.
            exclude: A folder inside whose files are not meant.
            clock: Seconds.

        Raises:
            DataError: there is no such folder.
        """
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; needed is one that images come to")
        self.folder, self.settle, self.clock = folder, settle, clock
        self.exclude = exclude.resolve() if exclude else None
        self._since: dict[Stamp, float] = {}

    def look(self, done: Callable[[Stamp], bool]) -> tuple[list[Path], int]:
        """Files that are whole and not done, oldest change first; and how many still change.

        Args:
            done: Whether a file, as it is, needs no more work.
        """
        now = self.clock()
        stamps = [stamp for path in self._images() if (stamp := stamp_of(path)) and not done(stamp)]
        self._since = {stamp: self._since.get(stamp, now) for stamp in stamps}
        whole = [stamp for stamp, since in self._since.items() if now - since >= self.settle]
        whole.sort(key=lambda stamp: (stamp[2], stamp[0]))
        return [Path(stamp[0]) for stamp in whole], len(stamps) - len(whole)

    def _images(self) -> list[Path]:
        try:
            found = list(images_below(self.folder))
        except OSError:
            return []  # a folder that went while it was listed; the next look sees what is left
        if self.exclude is None:
            return found
        return [path for path in found if self.exclude not in path.resolve().parents]


class Log:
    """What was decided, line by line; opened again, it knows what is done."""

    def __init__(self, folder: Path, *, station_sha256: str) -> None:
        """Open or begin the log of a folder.

        Raises:
            ConfigError: it holds decisions of another station.
            OutputError: the folder holds other things, or cannot be written.
        """
        refuse_foreign(folder, LOG, kind="a watch")
        self.path = folder / LOG
        self.station_sha256 = station_sha256
        self.stamps: set[Stamp] = set()
        self.frames: dict[str, int] = {}
        """SHA-256 of a video to its last frame that has a row."""
        lines = self._lines()
        for line in lines:
            self._note(json.loads(line))
        write_text(self.path, "".join(f"{line}\n" for line in lines))

    def _lines(self) -> list[str]:
        if not self.path.is_file():
            return []
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise OutputError(f"{self.path}: not readable ({error}); remove it") from None
        return [line for line in lines if _is_row(line)]

    def _note(self, row: Row) -> None:
        if row["station_sha256"] != self.station_sha256:
            raise ConfigError(
                f"{self.path}: holds decisions of another station "
                f"({row['station_sha256'][:12]}); choose another --out"
            )
        if "frame" in row:
            self.frames[row["source_sha256"]] = row["frame"]
        else:
            self.stamps.add((row["path"], row["size"], row["changed"]))

    def is_done(self, stamp: Stamp) -> bool:
        """Whether this file, as it is, has a row."""
        return stamp in self.stamps

    def add(self, row: Mapping[str, Any]) -> None:
        """Append a row.

        Raises:
            OutputError: the disk is full or the folder cannot be written.
        """
        whole = {**row, "station_sha256": self.station_sha256}
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(whole) + "\n")
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({error.strerror})") from error
        self._note(whole)


def _is_row(line: str) -> bool:
    """False for a line that was cut off when the watch was killed: its image is done again."""
    try:
        row = json.loads(line)
    except ValueError:
        return False
    if not isinstance(row, dict):
        return False
    of_file, of_frame = {"path", "size", "changed"}, {"source_sha256", "frame"}
    return "station_sha256" in row and any(keys <= row.keys() for keys in (of_file, of_frame))


class Hook:
    """A command that is run for every NG, without a shell: no file name can do harm."""

    def __init__(self, command: str) -> None:
        """Prepare a command.

        Args:
            command: As for a shell, but nothing is expanded save ``{path}``, ``{score}`` and
                ``{decision}``.

        Raises:
            ConfigError: it cannot be parsed, or there is no such program.
        """
        try:
            self.words = shlex.split(command)
        except ValueError as error:
            raise ConfigError(f"--on-ng {command!r}: {error}") from None
        if not self.words or shutil.which(self.words[0]) is None:
            raise ConfigError(f"--on-ng {command!r}: no such program; needed is PROGRAM ARGUMENTS")

    def run(self, *, path: str, score: float, decision: str) -> str:
        """Run it and wait.

        Returns:
            ``done``, or what went wrong; never an error, because watching goes on.
        """
        values = {"{path}": path, "{score}": f"{score:.6f}", "{decision}": decision}
        words = [_filled(word, values) for word in self.words]
        try:
            code = subprocess.run(
                words, check=False, stdin=subprocess.DEVNULL, timeout=HOOK_SECONDS
            ).returncode
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            return f"failed ({error})"
        return "done" if code == 0 else f"exit code {code}"


def _filled(word: str, values: Mapping[str, str]) -> str:
    """Placeholders replaced once: a path that looks like one stays as it is."""
    for name, value in values.items():
        head, found, tail = word.partition(name)
        if found:
            return _filled(head, values) + value + _filled(tail, values)
    return word
