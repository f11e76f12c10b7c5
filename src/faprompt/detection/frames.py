"""Pictures of a video file or a camera, every n-th. Shapes: H x W the picture."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from faprompt.errors import ConfigError, DataError


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One picture."""

    number: int
    """From 0; skipped ones count."""
    seconds: float
    """Since the start of the video, by its frame rate; 0 where there is none."""
    pixels: NDArray[np.uint8] = field(repr=False)
    """RGB, (H, W, 3)."""

    @property
    def pixels_sha256(self) -> str:
        """Of the RGB bytes, row by row."""
        return hashlib.sha256(np.ascontiguousarray(self.pixels).tobytes()).hexdigest()


def is_camera(source: str) -> bool:
    """Whether a source is the number of a camera."""
    return source.isdecimal()


def frames(source: str, *, every: int = 1, after: int = -1) -> Iterator[Frame]:
    """Every n-th picture of a video, or of a camera without end.

    Args:
        source: A video file, or a camera's number, 0 being the first.
        every: n; frames 0, n, 2n, ... are given, the others are not even decoded.
        after: Frames up to this one are skipped: where an earlier run ended.

    Raises:
        ConfigError: ``every`` is below 1.
        DataError: the source cannot be opened, or gives no picture at all.
    """
    if every < 1:
        raise ConfigError(f"every must be at least 1, got {every}")
    if not is_camera(source) and not Path(source).is_file():
        raise DataError(f"{source}: no such file; needed is a video file or a camera's number")
    capture = cv2.VideoCapture(int(source) if is_camera(source) else source)
    try:
        if not capture.isOpened():
            raise DataError(f"{source}: cannot be opened as {_kind(source)}")
        yield from _read(capture, source, every=every, after=after)
    finally:
        capture.release()


def _read(capture: Any, source: str, *, every: int, after: int) -> Iterator[Frame]:
    number = 0
    rate = 0.0 if is_camera(source) else capture.get(cv2.CAP_PROP_FPS)
    while capture.grab():
        if number > after and number % every == 0:
            decoded, picture = capture.retrieve()
            if decoded:
                rgb: NDArray[np.uint8] = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
                yield Frame(number=number, seconds=number / rate if rate else 0.0, pixels=rgb)
        number += 1
    if not number or is_camera(source):
        raise DataError(f"{source}: {_kind(source)} gives no picture (any more)")


def _kind(source: str) -> str:
    return "a camera" if is_camera(source) else "a video"
