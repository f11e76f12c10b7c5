"""The gate at export: an exported model must say what the torch model says, on real images."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from faprompt.detection.detector import Detector
from faprompt.errors import DataError, ExportError, FAPromptError
from faprompt.runtime import Runtime

BOUNDS = {"fp32": 1e-4, "fp16": 1e-2, "bf16": 0.05, "int8": 0.1}
"""Largest difference of an image score or of any pixel of a map; both are in [0, 1].

docs/export.md gives the measured figures that these are chosen from.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Absolute differences of one output over all images."""

    largest: float
    mean: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Parity:
    """How far an exported model is from the torch model in fp32."""

    image_score: Difference
    anomaly_map: Difference
    images: int
    bound: float

    @property
    def holds(self) -> bool:
        """Whether no difference is above the bound (nor undefined)."""
        return all(d.largest <= self.bound for d in (self.image_score, self.anomaly_map))

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def measure(
    detector: Detector | Runtime, runtime: Runtime, paths: Sequence[Path], *, bound: float
) -> Parity:
    """Compare both on images, from the file to the map of the original's size.

    Args:
        detector: In fp32.
        runtime: The exported model.
        paths: Image files, at least one.
        bound: See ``BOUNDS``.

    Raises:
        DataError: no image can be used.
    """
    scores, largest, means = [], [], []
    unusable: list[FAPromptError] = []
    streams = (
        detector.predict(paths, on_error=lambda _, error: unusable.append(error)),
        runtime.predict(paths, on_error=lambda *_: None),  # the same ones: both read alike
    )
    for expected, found in zip(*streams, strict=True):
        scores.append(abs(expected.image_score - found.image_score))
        differences = np.abs(expected.anomaly_map - found.anomaly_map)
        largest.append(differences.max())
        means.append(differences.mean())
    if not scores:
        raise DataError(f"no image to compare the exported model on: {unusable or 'none given'}")
    return Parity(
        image_score=Difference(largest=float(np.max(scores)), mean=float(np.mean(scores))),
        anomaly_map=Difference(largest=float(np.max(largest)), mean=float(np.mean(means))),
        images=len(scores),
        bound=bound,
    )


def require(parity: Parity, *, precision: str) -> None:
    """Let the model pass, or say why not.

    Raises:
        ExportError: a difference is above the bound.
    """
    if not parity.holds:
        raise ExportError(
            f"the {precision} model differs from the torch model by "
            f"{parity.image_score.largest:.2g} in an image score and "
            f"{parity.anomaly_map.largest:.2g} in a map, over {parity.images} images; the bound "
            f"is {parity.bound:g}. Nothing was written: use a higher --precision"
            + (", or more and more varied --calibrate images" if precision == "int8" else "")
        )
