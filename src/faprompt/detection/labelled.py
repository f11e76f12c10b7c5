"""Labelled samples scored in their order: what every evaluation begins with.

Shapes: B images, S input side in pixels.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, stack

from faprompt.data.loading import in_groups, map_ordered, overlapped
from faprompt.data.masks import read_mask
from faprompt.data.samples import Sample
from faprompt.detection.prediction import overflow
from faprompt.errors import FAPromptError

Mask = NDArray[np.bool_] | None
Usable = tuple[Sample, Tensor, Mask]
Read = tuple[Sample, tuple[Tensor, Mask] | FAPromptError]


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


@runtime_checkable
class Launches(Protocol):
    """What can begin with a batch before the results of the one before are used: a detector."""

    @property
    def overlaps(self) -> bool:
        """Whether anything is won by it."""

    def launch(self, pixels: Tensor) -> Callable[[], tuple[Tensor, ...]]:
        """Begins what ``score`` does; what is returned waits for it."""


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

    def read(sample: Sample) -> tuple[Tensor, Mask]:
        mask = read_mask(sample, detector.input_size)
        return detector.read(sample.image_path)[1], mask

    results = map_ordered(read, samples, workers=workers, ahead=max(1, workers, batch_size))
    overlaps = isinstance(detector, Launches) and detector.overlaps
    for group, scored in overlapped(
        lambda group: _begun(detector, group),
        in_groups(results, batch_size),
        ahead=1 if overlaps and workers else 0,
    ):
        del group  # freed before the next batch is computed
        yield scored


def _begun(detector: Evaluated, group: Sequence[Read]) -> Callable[[], list[ScoredSample]]:
    """Begin to score a batch; what is returned waits for it."""
    usable = [(s, *r) for s, r in group if not isinstance(r, FAPromptError)]
    wait = _launched(detector, stack([pixels for _, pixels, _ in usable])) if usable else None

    def finish() -> list[ScoredSample]:
        scored = _scored(detector, usable, wait()) if wait else iter(())
        return [
            ScoredSample(sample=sample, error=result)
            if isinstance(result, FAPromptError)
            else next(scored)
            for sample, result in group
        ]

    return finish


def _launched(detector: Evaluated, pixels: Tensor) -> Callable[[], tuple[Tensor, ...]]:
    if isinstance(detector, Launches) and detector.overlaps:
        return detector.launch(pixels)
    found = detector.score(pixels)
    return lambda: found


def _scored(
    detector: Evaluated, batch: Sequence[Usable], found: tuple[Tensor, ...]
) -> Iterator[ScoredSample]:
    scores, maps = found
    precision = getattr(detector, "precision", "its precision")
    for (sample, _, mask), score, array in zip(batch, scores.tolist(), maps.numpy(), strict=True):
        source = sample.image_path
        if error := overflow(score, array, source=source, precision=precision):
            yield ScoredSample(sample=sample, error=error)
        else:
            yield ScoredSample(sample=sample, image_score=score, anomaly_map=array, gt_mask=mask)
