"""One image on its way through the windows.

Shapes: T window side, W x H the original image, G patches along a side.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faprompt.data.tiff import TiffRows
from faprompt.detection.map_files import FileMap
from faprompt.detection.merging import Merger, ResponseMerger
from faprompt.detection.overview import Overview
from faprompt.detection.prediction import Seen
from faprompt.detection.stretching import stretch
from faprompt.detection.tiling import Plan
from faprompt.errors import FAPromptError

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]
OVERVIEW_PIXELS = 1 << 24
"""Read at once for the reduced picture of an image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """What was seen of one item of a stream."""

    item: Any
    seen: Seen
    """Its map is (H, W) and merged; or (S, S), if the image is one window."""
    picture: Image.Image = field(repr=False)
    """RGB; of an image that was read by rows a reduced one."""
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
        self._picture: Image.Image | None = None
        self._tiff: TiffRows | None = None
        self._overview: Overview | None = None
        self._score = 0.0
        self._map: Floats | FileMap
        self._merger: Merger
        self._responses: ResponseMerger | None = None

    def open(self, image: Image.Image | TiffRows, plan: Plan, *, in_file: bool) -> None:
        """Make ready for the windows of ``plan``.

        Args:
            image: In memory (RGB), or to be read by rows.
            plan: Where the windows lie.
            in_file: Keep the merged map in a temporary file.
        """
        self.plan, self.counting = plan, None
        if isinstance(image, TiffRows):
            self._tiff, self._overview = image, Overview(image.size)
        else:
            self._picture = image
        if plan.count > 1:
            self.windows = list(range(plan.count))
            width, height = plan.size
            self._map = FileMap(plan.size) if in_file else np.empty((height, width), np.float32)
            self._merger = Merger(plan, self._write)

    def limit(self, counting: Mask) -> None:
        """Say which pixels count, (H, W); windows without any are left out."""
        self.counting = counting
        self.windows = [i for i in self.windows if _cut(counting, self.plan.box(i)).any()]

    def close(self) -> None:
        """Give up."""
        if self.windows and isinstance(self._map, FileMap):
            self._map.close()

    def parts(self, row: int | None) -> "list[Part]":
        """The windows of one row that are looked at; None: the image as a whole.

        Raises:
            DataError: the rows cannot be read.
        """
        if row is None:
            return [Part(self, None, self._whole(), (0, 0, *self.plan.size))]
        windows = [i for i in self.windows if self.plan.place(i)[0] == row]
        picture, top = self._band(row)
        return [Part(self, i, picture, self.plan.box(i), top=top) for i in windows]

    @property
    def rows(self) -> int:
        """Rows of windows, up to the last that is looked at."""
        return self.plan.place(self.windows[-1])[0] + 1

    def _band(self, row: int) -> tuple[Image.Image, int]:
        """A picture that holds a row of windows, and the image's row that it begins with."""
        if self._tiff is None:
            return self._whole(), 0
        last = row + 1 == self.rows
        top, bottom = (self.plan.rows.starts[row] + d for d in (0, self.plan.rows.side))
        band = self._tiff.read(top, bottom)
        if self._overview is not None:
            fresh = bottom if last else self.plan.rows.starts[row + 1]
            self._overview.add(band.crop((0, 0, band.width, fresh - top)))
            if last:
                self._finish_overview(bottom)
        return band, top

    def _whole(self) -> Image.Image:
        """The image, or a reduced one where it is read by rows."""
        if self._overview is not None:
            self._finish_overview(0)
        assert self._picture is not None
        return self._picture

    def _finish_overview(self, top: int) -> None:
        """Add the rows that no window has asked for."""
        assert self._overview is not None
        assert self._tiff is not None
        width, height = self.plan.size
        lines = max(1, OVERVIEW_PIXELS // width)
        for first in range(top, height, lines):
            self._overview.add(self._tiff.read(first, min(height, first + lines)))
        self._picture, self._overview = self._overview.picture(), None

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
            values = self._map.finish() if isinstance(self._map, FileMap) else self._map
            seen = Seen(image_score=score, anomaly_map=values, responses=responses)
        assert seen is not None
        assert self._picture is not None
        return Looked(
            item=self.item,
            seen=seen,
            picture=self._picture,
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
        if isinstance(self._map, FileMap):
            self._map.write(rows)
        else:
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
