"""Labelled samples scored in their order: what every evaluation begins with.

Shapes: B images, S input side in pixels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, stack

from faprompt.data.loading import in_groups, map_ordered
from faprompt.data.masks import read_mask
from faprompt.data.samples import Sample
from faprompt.detection.prediction import overflow
from faprompt.errors import FAPromptError


class Evaluated(Protocol):
    """What can be evaluated: a detector, or whatever reads and scores as it does."""

    batch_size: int

    @property
    def input_size(self) -> int:
        """S, side of the square input in pixels."""

    def read(self, source: Any) -> tuple[Image.Image, Tensor]:
        """An image (RGB) and its input (3, S, S)."""

    def score(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, S, S) to scores (B,) and maps (B, S, S), fp32 on the CPU."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredSample:
    """One labelled sample: score, map and mask, or the reason why there are none."""

    sample: Sample
    image_score: float | None = None
    anomaly_map: NDArray[np.float32] | None = None
    """(S, S); looked at by windows, the merged map, averaged down or stretched to it."""
    gt_mask: NDArray[np.bool_] | None = None
    """(S, S); None where it is unknown."""
    error: FAPromptError | None = None


def score_samples(
    detector: Evaluated, samples: Sequence[Sample], *, batch_size: int, workers: int
) -> Iterator[list[ScoredSample]]:
    """Score labelled samples, in their order, a batch at a time.

    Numbers that are not finite are an error of their sample.
    """

    def read(sample: Sample) -> tuple[Tensor, NDArray[np.bool_] | None]:
        mask = read_mask(sample, detector.input_size)
        return detector.read(sample.image_path)[1], mask

    results = map_ordered(read, samples, workers=workers, ahead=max(1, workers, batch_size))
    for group in in_groups(results, batch_size):
        usable = [(s, *r) for s, r in group if not isinstance(r, FAPromptError)]
        scored = _scored(detector, usable) if usable else iter(())
        yield [
            ScoredSample(sample=sample, error=result)
            if isinstance(result, FAPromptError)
            else next(scored)
            for sample, result in group
        ]


def _scored(
    detector: Evaluated, batch: Sequence[tuple[Sample, Tensor, NDArray[np.bool_] | None]]
) -> Iterator[ScoredSample]:
    scores, maps = detector.score(stack([pixels for _, pixels, _ in batch]))
    precision = getattr(detector, "precision", "its precision")
    for (sample, _, mask), score, array in zip(batch, scores.tolist(), maps.numpy(), strict=True):
        source = sample.image_path
        if error := overflow(score, array, source=source, precision=precision):
            yield ScoredSample(sample=sample, error=error)
        else:
            yield ScoredSample(sample=sample, image_score=score, anomaly_map=array, gt_mask=mask)
