"""Image files as they arrive in a folder, found by looking again and again. Free of torch.

Looking (polling) works on network drives, too, where the notices of an operating system do not
come; the price is a delay of up to two looks.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from faprompt.data.files import is_image, is_stray
from faprompt.errors import ConfigError, DataError

SLICE = 0.2
"""Seconds of sleep after which the end may be asked for."""


class Ending:
    """Whether to end, and the pauses until then; a signal handler may ask at any moment.

    Args:
        sleep: Passes time; tests put their own in its place.
    """

    def __init__(self, sleep: Callable[[float], object] = time.sleep) -> None:
        self.asked = False
        self._sleep = sleep

    def pause(self, seconds: float) -> bool:
        """Sleep, in slices; tell whether to go on.

        A plain flag and short sleeps, since locks and events can hang in a signal handler.
        """
        left = seconds
        while left > 0 and not self.asked:
            self._sleep(min(left, SLICE))
            left -= SLICE
        return not self.asked


@dataclass(frozen=True, slots=True)
class State:
    """What tells one version of a file from another without reading it."""

    bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """A version of a file."""

    path: str
    state: State


def state_of(path: str | Path) -> State | None:
    """The state of a file; None if it is not there."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return State(found.st_size, found.st_mtime_ns)


class WatchedFolder:
    """A folder with all below it, links to folders not followed.

    Args:
        path: The folder.
        exclude: A folder inside that is not looked at: where results go.
        say: Told of folders that cannot be read, once, and when they can be again.

    Raises:
        DataError: it is no folder.
        ConfigError: all of it is excluded.
    """

    def __init__(
        self, path: Path, *, exclude: Path | None = None, say: Callable[[str], object] | None = None
    ) -> None:
        self.path = path.absolute()
        self.name = str(self.path)
        if not self.path.is_dir():
            raise DataError(f"{path}: not a folder; needed is one where images arrive")
        self._exclude = exclude.resolve() if exclude else None
        real = self.path.resolve()
        if self._exclude and (self._exclude == real or self._exclude in real.parents):
            raise ConfigError(
                f"{exclude}: results cannot go where {path} is watched; choose beside"
            )
        self._say = say or (lambda _: None)
        self._unreadable: set[str] = set()

    def scan(self) -> set[Arrival]:
        """All image files there are, by name; those that start with a dot are none."""
        found: set[Arrival] = set()
        failed: dict[str, str] = {}

        def fail(error: OSError) -> None:
            failed[str(error.filename)] = error.strerror or str(error)

        for root, folders, files in os.walk(self.path, onerror=fail):
            here = Path(root)
            folders[:] = [name for name in folders if self._is_watched(here / name)]
            for path in (here / name for name in files):
                if is_image(path) and (state := state_of(path)):
                    found.add(Arrival(str(path), state))
        self._tell(failed)
        return found

    def arrivals(
        self, known: Set[Arrival], *, ending: Ending, poll: float
    ) -> Iterator[list[Arrival]]:
        """Whole files that are new or have changed, oldest first, as they come.

        A file is whole when two looks, a pause apart, found it the same.

        Args:
            known: What was dealt with; whoever deals with a file adds it.
            ending: Ends it.
            poll: Seconds from look to look.

        Yields:
            What one look found, at least one.
        """
        before: set[Arrival] = set()
        while not ending.asked:
            now = self.scan()
            if ready := (now & before) - known:
                yield sorted(ready, key=lambda a: (a.state.modified_ns, a.path))
            before = now
            if not ending.pause(poll):
                return

    def _is_watched(self, folder: Path) -> bool:
        return not is_stray(folder) and (self._exclude is None or folder.resolve() != self._exclude)

    def _tell(self, failed: Mapping[str, str]) -> None:
        for name in sorted(failed.keys() - self._unreadable):
            self._say(f"{name}: cannot be read ({failed[name]}); trying again")
        for name in sorted(self._unreadable - failed.keys()):
            self._say(f"{name}: can be read again")
        self._unreadable = set(failed)
