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
class Scored:
    """One labelled sample: score, map and mask, or the reason why there are none."""

    sample: Sample
    image_score: float | None = None
    anomaly_map: NDArray[np.float32] | None = None
    """(S, S)."""
    gt_mask: NDArray[np.bool_] | None = None
    """(S, S); None where it is unknown."""
    error: FAPromptError | None = None


def score_samples(
    detector: Evaluated, samples: Sequence[Sample], *, batch_size: int, workers: int
) -> Iterator[list[Scored]]:
    """Score labelled samples, in their order, a batch at a time."""

    def read(sample: Sample) -> tuple[Tensor, NDArray[np.bool_] | None]:
        mask = read_mask(sample, detector.input_size)
        return detector.read(sample.image_path)[1], mask

    results = map_ordered(read, samples, workers=workers, ahead=max(1, workers, batch_size))
    for group in in_groups(results, batch_size):
        inputs = [r[0] for _, r in group if not isinstance(r, FAPromptError)]
        found = iter(_scores(detector, inputs)) if inputs else iter(())
        batch = []
        for sample, result in group:
            if isinstance(result, FAPromptError):
                batch.append(Scored(sample=sample, error=result))
                continue
            score, array = next(found)
            batch.append(
                Scored(sample=sample, image_score=score, anomaly_map=array, gt_mask=result[1])
            )
        yield batch


def _scores(
    detector: Evaluated, inputs: Sequence[Tensor]
) -> Iterator[tuple[float, NDArray[np.float32]]]:
    scores, maps = detector.score(stack(list(inputs)))
    return zip(scores.tolist(), maps.numpy(), strict=True)
