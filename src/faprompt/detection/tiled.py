"""A stream of images looked at by windows; windows of several images share batches.

Free of torch and OpenCV. Shapes: S input side, T window side, W x H the original image.

    items -> jobs -> rows of windows -> windows -> inputs (S, S) -> maps (T, T) -> merged map (H, W)
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from faprompt.data.inputs import to_image
from faprompt.data.loading import in_groups, map_ordered
from faprompt.data.tiff import large_tiff
from faprompt.detection.areas import counting_patches
from faprompt.detection.job import Job, Looked, Part
from faprompt.detection.look import Look
from faprompt.detection.prediction import (
    Engine,
    Pixels,
    Prediction,
    Reading,
    Seen,
    counting_of,
    overflow,
    path_of,
)
from faprompt.detection.tiling import Plan
from faprompt.errors import DataError, FAPromptError

BAND_PIXELS = 1 << 28
"""Largest row of windows of an image that is read by rows: 0.8 GB of pixels, 1.1 GB of map."""


def predict_tiled(
    items: Iterable[Any], engine: Engine[Pixels], reading: Reading, look: Look
) -> Iterator[Prediction]:
    """Predictions of a stream, in its order, looked at by windows."""
    for looked in look_closely(items, engine, reading, look):
        yield Prediction(
            image_score=looked.seen.image_score,
            anomaly_map=looked.original_map(engine.to_original),
            path=path_of(looked.item),
            milliseconds=looked.milliseconds,
            image=looked.picture,
            colour_limits=engine.colour_limits,
            responses=looked.seen.responses,
            decision=engine.decide(looked.seen.image_score) if engine.decide else None,
        )


def look_closely(
    items: Iterable[Any],
    engine: Engine[Pixels],
    reading: Reading,
    look: Look,
    *,
    source_of: Callable[[Any], Any] = lambda item: item,
) -> Iterator[Looked]:
    """Look at every image of a stream by windows, in bounded memory.

    The score of an image is the largest of its windows'; with ``Tiling.whole`` the mean of that
    and the whole image's score. An image that is no larger than a window is looked at as without
    tiling. A window that cannot be read costs its image only. At most two images are open.

    Args:
        items: What ``source_of`` turns into images.
        engine: The model.
        reading: Batch size, threads, limit of ordinary decoding, what to do with errors.
        look: Its ``tiling`` is set.
        source_of: The image of an item.

    Raises:
        FAPromptError: an image cannot be used and there is no ``reading.on_error``.
    """
    return _Stream(engine, reading, look, source_of).run(items)


@dataclass(frozen=True, slots=True)
class _Input(Generic[Pixels]):
    """What the model is given of a part."""

    part: Part
    pixels: Pixels
    keep: NDArray[np.bool_] | None
    """Which of its patches count, (L,); None: all."""


class _Stream(Generic[Pixels]):
    def __init__(
        self,
        engine: Engine[Pixels],
        reading: Reading,
        look: Look,
        source_of: Callable[[Any], Any],
    ) -> None:
        assert look.tiling is not None
        self.engine, self.reading, self.look = engine, reading, look
        self.tiling, self.source_of = look.tiling, source_of
        self._opened: list[Job] = []

    def run(self, items: Iterable[Any]) -> Iterator[Looked]:
        size = self.reading.batch_size or self.engine.batch_size
        workers = self.reading.workers
        parts = map_ordered(
            self._prepare, self._parts(items), workers=workers, ahead=max(1, workers, size)
        )
        try:
            for group in in_groups(self._usable(parts), size):
                yield from self._look(group)
        finally:
            for job in self._opened:
                job.close()

    def _look(self, group: Sequence[_Input[Pixels]]) -> Iterator[Looked]:
        started = time.perf_counter()
        seen = self._score(group)
        elapsed = (time.perf_counter() - started) * 1000 / len(group)
        for one, what in zip(group, seen, strict=True):
            job = one.part.job
            job.milliseconds += elapsed
            if job.error is None:
                job.error = self._overflow(job, what)
                if job.error is not None:
                    self._failed(job, job.error)
            if job.error is None:
                yield from self._take(one.part, what)

    def _overflow(self, job: Job, seen: Seen) -> FAPromptError | None:
        source = self.source_of(job.item)
        precision = self.engine.precision
        return overflow(seen.image_score, seen.anomaly_map, source=source, precision=precision)

    def _score(self, group: Sequence[_Input[Pixels]]) -> Sequence[Seen]:
        keep = [one.keep for one in group if one.keep is not None]
        return self.engine.score(
            [one.pixels for one in group],
            keep=np.stack(keep) if keep else None,
            responses=self.look.responses,
        )

    def _parts(self, items: Iterable[Any]) -> Iterator[Part]:
        """Inputs of the model; of a job that failed one that leads to its error."""
        rows = map_ordered(
            self._bring, self._rows(items), workers=min(1, self.reading.workers), ahead=1
        )
        for (job, _), result in rows:
            if isinstance(result, FAPromptError):
                job.error = result
                yield Part(job)
            else:
                yield from result

    def _rows(self, items: Iterable[Any]) -> Iterator[tuple[Job, int | None]]:
        """Rows of windows; None stands for the image as a whole."""
        for item in items:
            job = Job(item)
            try:
                self._open(job)
            except FAPromptError as error:
                job.error = error
            if job.error or self.tiling.whole or not job.windows:
                yield job, None
            if not job.error and job.windows:
                yield from ((job, row) for row in range(job.rows))

    def _open(self, job: Job) -> None:
        source, limit = self.source_of(job.item), self.reading.max_pixels
        rows = large_tiff(os.fspath(source), limit) if _is_path(source) else None
        image = rows or to_image(source, limit)
        plan = self.tiling.plan(image.size, self.engine.input_size)
        if rows is not None:
            _check_windows(plan, source, limit)
        job.open(image, plan, in_file=plan.size[0] * plan.size[1] > limit)
        self._opened.append(job)
        counting = counting_of(source, plan.size, self.look)
        if counting is not None:
            job.limit(counting)

    def _bring(self, place: tuple[Job, int | None]) -> list[Part]:
        """The windows of one row, with the pixels they are cut from."""
        job, row = place
        if job.error is not None:
            raise job.error
        return job.parts(row)

    def _prepare(self, part: Part) -> _Input[Pixels]:
        if part.job.error is not None:
            raise part.job.error
        counting = part.counting()
        keep = None if counting is None else counting_patches(counting, self.engine.grid)
        return _Input(part, self.engine.read(part.pixels(), self.reading.max_pixels)[1], keep)

    def _usable(
        self, parts: Iterable[tuple[Part, _Input[Pixels] | FAPromptError]]
    ) -> Iterator[_Input[Pixels]]:
        for part, result in parts:
            if isinstance(result, FAPromptError):
                self._failed(part.job, result)
            else:
                yield result

    def _failed(self, job: Job, error: FAPromptError) -> None:
        if job.reported:
            return
        job.reported = True
        if job in self._opened:
            self._opened.remove(job)
            job.close()
        if self.reading.on_error is None:
            raise error
        self.reading.on_error(job.item, error)

    def _take(self, part: Part, seen: Seen) -> Iterator[Looked]:
        """Add what was seen to its image, which is handed on when it is complete."""
        job = part.job
        if part.index is None:
            job.glance = seen
        else:
            fitting = self.engine.to_original(seen.anomaly_map, job.plan.window)
            job.add(part.index, replace(seen, anomaly_map=fitting), grid=self.engine.grid)
            if self.look.watch is not None:
                self.look.watch(job.done, len(job.windows))
        if job.done == len(job.windows):
            self._opened.remove(job)
            yield job.result()


def _is_path(source: Any) -> bool:
    return isinstance(source, str | os.PathLike)


def _check_windows(plan: Plan, source: Any, max_pixels: int) -> None:
    """Refuse windows that do not fit in memory.

    Raises:
        DataError: one of them is larger than an image may be, or a row of them too large.
    """
    (width, height), side = plan.window, plan.size[0]
    if width * height > max_pixels or side * height > BAND_PIXELS:
        raise DataError(
            f"{source}: windows of {width} x {height} pixels in an image of {side} x "
            f"{plan.size[1]} are too large: a window may have {max_pixels} pixels and a row of "
            f"them {BAND_PIXELS}; choose a smaller --tile"
        )
