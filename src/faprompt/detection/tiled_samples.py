"""Labelled images looked at at once or by windows. Shapes: S input side in pixels."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from faprompt.data.images import MAX_PIXELS
from faprompt.data.masks import read_mask
from faprompt.data.samples import Sample
from faprompt.detection.labelled import Evaluated, ScoredSample, score_samples
from faprompt.detection.look import Look
from faprompt.detection.map_files import shrunk
from faprompt.detection.prediction import Engine, Reading
from faprompt.detection.tiled import look_closely
from faprompt.detection.tiling import Tiling
from faprompt.errors import ConfigError, FAPromptError


@runtime_checkable
class LooksClosely(Protocol):
    """What can look by windows: a detector."""

    def engine(self) -> Engine[Any]:
        """What the model has to offer."""


def scored_samples(
    detector: Evaluated,
    samples: Sequence[Sample],
    *,
    batch_size: int | None,
    workers: int,
    tiling: Tiling | None,
) -> Iterator[ScoredSample]:
    """Labelled samples, each once, scored at once or by windows; by windows errors may come late.

    Args:
        detector: The model.
        samples: To be scored.
        batch_size: Inputs at once; None: the detector's own.
        workers: Threads that read ahead.
        tiling: How to look by windows; None: at once.

    Raises:
        ConfigError: the detector cannot look by windows.
    """
    if tiling is None:
        size = batch_size or detector.batch_size
        for batch in score_samples(detector, samples, batch_size=size, workers=workers):
            yield from batch
        return
    failed: list[ScoredSample] = []
    reading = Reading(
        batch_size=batch_size,
        workers=workers,
        max_pixels=MAX_PIXELS,
        on_error=lambda sample, error: failed.append(ScoredSample(sample=sample, error=error)),
    )
    for scored in _by_windows(detector, samples, reading, tiling):
        yield scored
        yield from failed
        failed.clear()
    yield from failed


def _by_windows(
    detector: object, samples: Sequence[Sample], reading: Reading, tiling: Tiling
) -> Iterator[ScoredSample]:
    """What can be used; the rest is given to ``reading.on_error``."""
    if not isinstance(detector, LooksClosely):
        raise ConfigError(f"{type(detector).__name__} cannot look by windows; leave --tile away")
    engine, look = detector.engine(), Look(tiling=tiling)
    side = engine.input_size
    assert reading.on_error is not None
    for looked in look_closely(samples, engine, reading, look, source_of=lambda s: s.image_path):
        try:
            gt_mask = read_mask(looked.item, side)
        except FAPromptError as error:
            reading.on_error(looked.item, error)
            continue
        values = shrunk(looked.seen.anomaly_map, (side, side))
        yield ScoredSample(
            sample=looked.item,
            image_score=looked.seen.image_score,
            anomaly_map=values,
            gt_mask=gt_mask,
        )
