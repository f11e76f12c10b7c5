"""The files of a watch, which are also its memory.

watch.json          what is watched; the folder of another watch is refused
predictions.jsonl   a line per image, appended whole when all is done that the image asks for
errors.jsonl        images that could not be used, with the reason
maps/               heat maps of images that are NG or UNSURE
frames/             pictures of a video that are NG or UNSURE, as they were seen

The lines have the keys of a prediction run, and besides: ``time`` (UTC), ``bytes`` and
``modified_ns`` of the file; ``source`` and ``frame`` of a video's picture, whose ``sha256`` is of
its pixels (H, W, 3) and whose ``path`` is that of the kept picture, or null; ``hook``.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from faprompt.detection.arrivals import Arrival, State
from faprompt.detection.outputs import Row, free_name, save_image
from faprompt.errors import ConfigError, OutputError
from faprompt.files import append_line, parse_json, refuse_foreign, write_text

RECORD = "watch.json"
ROWS = "predictions.jsonl"
ERRORS = "errors.jsonl"


class WatchLog:
    """Rows, errors and pictures of one watch; opened again it knows what was done.

    Args:
        folder: Made with the first thing that is kept.
        watched: The folder or the video that is watched.

    Raises:
        ConfigError: the folder is the log of a watch of something else.
        OutputError: it cannot be used, or holds other things.
    """

    def __init__(self, folder: Path, watched: str) -> None:
        self.folder = folder
        self.known: set[Arrival] = set()
        """Files that were dealt with, usable or not."""
        self._frames: dict[tuple[str, State | None], int] = {}
        self._names: set[str] = set()
        self._watched = watched
        self._check()
        for name in (ROWS, ERRORS):
            for row in _whole_rows(folder / name):
                self._remember(row)

    def last_frame(self, source: str, state: State | None) -> int:
        """Number of the last picture of a video file that was done; 0 if none was."""
        return self._frames.get((source, state), 0) if state else 0

    def add(self, row: Row) -> None:
        """Append a row: from now on its image is done.

        Raises:
            OutputError: the disk is full or the folder cannot be written.
        """
        self._append(ROWS, row)

    def add_error(self, row: Row) -> None:
        """Append an image that cannot be used: it is left alone until it changes.

        Raises:
            OutputError: the disk is full or the folder cannot be written.
        """
        self._append(ERRORS, row)

    def keep(self, kind: str, name: PurePosixPath, image: Image.Image) -> str:
        """Write a picture as PNG; returns its name in the folder.

        Args:
            kind: ``maps`` or ``frames``.
            name: Of the image, relative to what is watched.
            image: The picture.

        Raises:
            OutputError: it cannot be written.
        """
        self._begin()
        found = free_name(self._names, PurePosixPath(kind) / name, "png")
        save_image(self.folder / found, image)
        return found

    def _append(self, name: str, row: Row) -> None:
        self._begin()
        append_line(self.folder / name, row)
        self._remember(row)

    def _check(self) -> None:
        path = self.folder / RECORD
        refuse_foreign(self.folder, RECORD, kind="the log of a watch")
        if not path.exists():
            return
        try:
            before = parse_json(path.read_text(encoding="utf-8"))["watched"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OutputError(f"{path}: not readable ({error}); remove it") from None
        if before != self._watched:
            raise ConfigError(
                f"{self.folder}: holds the log of a watch of {before}, not of {self._watched}; "
                "choose another --out"
            )

    def _begin(self) -> None:
        """Claim the folder, no sooner than there is something to keep."""
        path = self.folder / RECORD
        if not path.exists():
            write_text(path, json.dumps({"watched": self._watched}, indent=2) + "\n")

    def _remember(self, row: Mapping[str, Any]) -> None:
        self._names.update(row[k] for k in ("map", "kept") if row.get(k))
        state = state_of_row(row)
        if "frame" in row:
            self._frames[row["source"], state] = row["frame"]
        elif state and isinstance(row["path"], str):
            self.known.add(Arrival(row["path"], state))


def state_columns(state: State | None) -> Row:
    """A file's state as part of a row."""
    return asdict(state) if state else {}


def _whole_rows(path: Path) -> Iterator[Row]:
    """The rows of a file; a last line that was cut off when a watch was killed is taken away.

    Raises:
        OutputError: the file cannot be read or mended.
    """
    if not path.exists():
        return
    end = 0
    try:
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    end += len(line)
                    yield from _row(line)
        if end < path.stat().st_size:
            with path.open("rb+") as file:
                file.truncate(end)
    except OSError as error:
        raise OutputError(f"{path}: cannot be used ({error}); choose another --out") from None


def _row(line: bytes) -> Iterator[Row]:
    """The row of a line, if it is one: the image of a damaged line is done again."""
    try:
        row = parse_json(line)
        texts = [row["path"], *(row.get(name) for name in ("map", "kept", "source"))]
        numbers = [row[name] for name in ("bytes", "modified_ns", "frame") if name in row]
        state_of_row(row)
    except (ValueError, KeyError, TypeError, AttributeError):
        return
    if "frame" in row and "source" not in row:
        return
    if all(isinstance(text, str | None) for text in texts) and all(
        isinstance(number, int) for number in numbers
    ):
        yield row


def state_of_row(row: Mapping[str, Any]) -> State | None:
    """The state of a row's file; None for a camera's picture."""
    return State(row["bytes"], row["modified_ns"]) if "bytes" in row else None
