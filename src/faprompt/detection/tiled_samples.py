"""Labelled images looked at by windows, for the evaluation. Shapes: S input side in pixels."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from faprompt.data.masks import read_mask
from faprompt.data.samples import Sample
from faprompt.detection.labelled import ScoredSample
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


def look_at_samples(
    detector: object, samples: Sequence[Sample], reading: Reading, tiling: Tiling
) -> Iterator[ScoredSample]:
    """Look at every image; what cannot be used is given to ``reading.on_error``.

    Raises:
        ConfigError: the detector cannot look by windows.
    """
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
