"""Pictures of a video file or a camera, by OpenCV. Free of torch.

Shapes: H x W of the picture.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from faprompt.detection.arrivals import Ending, State, state_of
from faprompt.errors import DataError

USUAL_RATE = 30.0
"""Pictures a second of a camera that does not say."""
LONGEST_PAUSE = 30.0
"""Seconds between two tries to reach a camera; the first pauses are 1, 2, 4, ..."""
NETWORK_TIMEOUT_MS = 10_000
_PASSWORD = re.compile(r"(?<=://)[^/@\s]*@")


class Capture(Protocol):
    """What is used of ``cv2.VideoCapture``."""

    def grab(self) -> bool:
        """Take the next picture; False: there is none."""

    def retrieve(self) -> tuple[bool, Any]:
        """Decode it, (H, W, 3) BGR or (H, W) grey."""

    def get(self, propId: int) -> float:  # noqa: N803 (OpenCV's name)
        """A property."""

    def isOpened(self) -> bool:  # noqa: N802
        """Whether it can be used."""

    def release(self) -> None:
        """Let go of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture."""

    number: int
    """The first picture is 1; of a camera: received by this watch."""
    pixels: NDArray[np.uint8]
    """(H, W, 3), RGB."""


def open_capture(source: str) -> Capture:
    """Open a file, a camera by its number, or a stream by its address."""
    if source.isdecimal():
        return cv2.VideoCapture(int(source))
    if "://" in source:
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC]
        settings = [number for name in limits for number in (name, NETWORK_TIMEOUT_MS)]
        return cv2.VideoCapture(source, cv2.CAP_FFMPEG, settings)
    return cv2.VideoCapture(source)


class Video:
    """A video file, which ends; or a camera, which may go away and come back.

    Args:
        source: A file, a camera's number, or an address (``rtsp://...``).
        every: Every so many pictures one is taken.
        tries: How often a camera that went away is tried again.
        ending: Ends it, and makes the pauses.
        say: Told of a camera that goes away or comes back.

    Raises:
        DataError: there is no such file.
    """

    def __init__(
        self,
        source: str,
        *,
        every: int = 1,
        tries: int = 10,
        ending: Ending,
        say: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.source, self.every, self.tries = source, every, tries
        self.ending, self.say = ending, say
        is_file = not source.isdecimal() and "://" not in source
        self.name = str(Path(source).absolute()) if is_file else _PASSWORD.sub("", source)
        """For people and logs: without a password."""
        self.state: State | None = state_of(source) if is_file else None
        """Of a file."""
        if is_file and self.state is None:
            raise self._closed()  # a camera may come later, and opening it costs seconds
        self.open: Callable[[str], Capture] = open_capture
        self.clock: Callable[[], float] = time.monotonic

    @property
    def stem(self) -> str:
        """A short name that can be part of a file's."""
        words = Path(self.name).stem if self.state else f"camera-{self.name}"
        return re.sub(r"[^\w.-]+", "-", words)

    def frames(self, *, after: int = 0) -> Iterator[Frame]:
        """Pictures to the end of the video, or until the end is asked for.

        A camera's pictures that came while the last one was dealt with are passed over, so that
        what is seen is never old.

        Args:
            after: Number of the last picture that was dealt with before; the next follow.

        Raises:
            DataError: it cannot be opened, or a camera went away and did not come back.
        """
        stream = self._opened()
        if stream is None:
            raise self._closed()
        number, due = 0, after + self.every if after else 1
        try:
            while not self.ending.asked:
                got = stream.advance()
                number += got
                if not got and not stream.live:
                    return self._tell_missing(number, stream.length)
                if not got:
                    if not (stream := self._back(stream)):
                        return None
                elif number >= due and (pixels := stream.pixels()) is not None:
                    due = number + self.every
                    yield Frame(number, pixels)
        finally:
            if stream:
                stream.capture.release()

    def _closed(self) -> DataError:
        return DataError(
            f"{self.name}: cannot be opened; needed is a video file, a camera's number or an "
            "address such as rtsp://HOST/PATH"
        )

    def _tell_missing(self, number: int, length: float) -> None:
        if number < length:
            self.say(f"{self.name}: only {number} of {length:.0f} pictures could be read")

    def _opened(self) -> "_Stream | None":
        capture = self.open(self.source)
        if capture.isOpened():
            return _Stream(capture, self.clock, is_file=self.state is not None)
        capture.release()
        return None

    def _back(self, stream: "_Stream") -> "_Stream | None":
        """The camera again, after pauses; None if the end was asked for meanwhile."""
        stream.capture.release()
        for number in range(1, self.tries + 1):
            pause = min(2.0 ** (number - 1), LONGEST_PAUSE)
            self.say(
                f"{self.name}: no picture comes; trying again in {pause:.0f} s "
                f"({number} of {self.tries})"
            )
            if not self.ending.pause(pause):
                return None
            found = self._opened()
            if found and found.advance():
                self.say(f"{self.name}: pictures come again")
                return found
            if found:
                found.capture.release()
        raise DataError(
            f"{self.name}: went away and did not come back in {self.tries} tries; look after the "
            "camera and start again"
        )


class _Stream:
    """An open capture."""

    def __init__(self, capture: Capture, clock: Callable[[], float], *, is_file: bool) -> None:
        self.capture, self._clock = capture, clock
        self.length = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        """Pictures in all; of cameras 0 or less."""
        self.live = not is_file and self.length <= 0
        rate = capture.get(cv2.CAP_PROP_FPS)
        self._period = 1 / (rate if rate > 0 else USUAL_RATE)
        self._taken = clock()

    def advance(self) -> int:
        """Go on to the next picture; of a camera to the newest.

        Cameras keep pictures that were not fetched in time and hand out the oldest first. As many
        as can wait are passed over, up to one that had to be waited for.

        Returns:
            How many pictures that were; 0: there is none.
        """
        waiting = (self._clock() - self._taken) // self._period if self.live else 0
        count = 0
        while True:
            started = self._clock()
            if not self.capture.grab():
                return 0
            count += 1
            self._taken = self._clock()
            if count > waiting or self._taken - started > self._period / 2:
                return count

    def pixels(self) -> NDArray[np.uint8] | None:
        """The picture at hand, (H, W, 3) RGB; None if it is damaged."""
        usable, picture = self.capture.retrieve()
        if not usable:
            return None
        code = cv2.COLOR_GRAY2RGB if picture.ndim == 2 else cv2.COLOR_BGR2RGB
        found: NDArray[np.uint8] = cv2.cvtColor(picture, code)
        return found
