"""One image on its way through the windows.

Shapes: T window side, W x H the original image, G patches along a side.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faprompt.detection.merging import Merger, ResponseMerger
from faprompt.detection.prediction import Seen
from faprompt.detection.stretching import stretch
from faprompt.detection.tiling import Plan
from faprompt.errors import FAPromptError

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """What was seen of one item of a stream."""

    item: Any
    seen: Seen
    """Its map is (H, W) and merged; or (S, S), if the image is one window."""
    picture: Image.Image = field(repr=False)
    """RGB."""
    counting: Mask | None = field(repr=False)
    """Which pixels of an image that is one window count, (H, W); None: all, or it is done."""
    one_window: bool
    milliseconds: float

    def original_map(self, to_original: Callable[[Floats, tuple[int, int]], Floats]) -> Floats:
        """The map at the image's size, (H, W)."""
        if not self.one_window:
            return self.seen.anomaly_map
        anomaly_map = to_original(self.seen.anomaly_map, self.picture.size)
        if self.counting is not None:
            anomaly_map[~self.counting] = 0
        return anomaly_map


class Job:
    """One image: what is known of it, and what was seen so far."""

    picture: Image.Image
    plan: Plan
    counting: Mask | None

    def __init__(self, item: Any) -> None:
        self.item = item
        self.error: FAPromptError | None = None
        self.reported = False
        self.milliseconds = 0.0
        self.windows: list[int] = []
        """Which of the plan's windows are looked at; none if the whole image is one."""
        self.done = 0
        self.glance: Seen | None = None
        """What the model says of the whole image."""
        self._score = 0.0
        self._merger: Merger
        self._responses: ResponseMerger | None = None

    def open(self, picture: Image.Image, plan: Plan, counting: Mask | None) -> None:
        """Make ready for the windows of ``plan``.

        Args:
            picture: RGB.
            plan: Where the windows lie.
            counting: Which pixels count, (H, W); None: all. Windows without any are left out.
        """
        self.picture, self.plan, self.counting = picture, plan, counting
        if plan.count == 1:
            return
        self.windows = [
            i for i in range(plan.count) if counting is None or _cut(counting, plan.box(i)).any()
        ]
        self._map = np.empty((plan.size[1], plan.size[0]), dtype=np.float32)
        self._merger = Merger(plan, self._write)

    def parts(self, row: int | None) -> "list[Part]":
        """The windows of one row that are looked at; None: the image as a whole."""
        if row is None:
            return [Part(self, None, self.picture, (0, 0, *self.picture.size))]
        return [
            Part(self, i, self.picture, self.plan.box(i))
            for i in self.windows
            if self.plan.place(i)[0] == row
        ]

    def add(self, index: int, seen: Seen, *, grid: int) -> None:
        """Take what was seen in a window; its map is (T, T)."""
        self._score = max(self._score, seen.image_score)
        self._merger.add(index, seen.anomaly_map)
        if seen.responses is not None:
            if self._responses is None:
                self._responses = ResponseMerger(self.plan, len(seen.responses), grid)
            self._responses.add(index, seen.responses)
        self.done += 1

    def result(self) -> Looked:
        """What was seen, all windows being added."""
        seen = self.glance
        if self.windows:
            self._merger.finish()
            score = self._score if seen is None else (self._score + seen.image_score) / 2
            responses = self._responses.merged() if self._responses else None
            seen = Seen(image_score=score, anomaly_map=self._map, responses=responses)
        assert seen is not None
        return Looked(
            item=self.item,
            seen=seen,
            picture=self.picture,
            counting=None if self.windows else self.counting,
            one_window=not self.windows,
            milliseconds=self.milliseconds,
        )

    def _write(self, top: int, rows: Floats) -> None:
        part = slice(top, top + len(rows))
        if self.glance is not None:
            rows = rows + stretch(self.glance.anomaly_map, self.plan.size, rows=part)
            rows *= np.float32(0.5)
        if self.counting is not None:
            rows = rows * self.counting[part]
        self._map[part] = rows


@dataclass(frozen=True, slots=True)
class Part:
    """One input of the model: a window, or (without an index) the whole image."""

    job: Job
    index: int | None = None
    picture: Image.Image | None = None
    box: Box = (0, 0, 0, 0)
    """left, top, right, bottom in the image."""
    top: int = 0
    """Row of the image that the picture begins with."""

    def pixels(self) -> Image.Image:
        """The pixels to look at."""
        assert self.picture is not None
        left, top, right, bottom = self.box
        box = (left, top - self.top, right, bottom - self.top)
        return self.picture if self.index is None else self.picture.crop(box)

    def counting(self) -> Mask | None:
        """Which of them count; None: all."""
        return None if self.job.counting is None else _cut(self.job.counting, self.box)


def _cut(mask: Mask, box: Box) -> Mask:
    left, top, right, bottom = box
    return mask[top:bottom, left:right]
