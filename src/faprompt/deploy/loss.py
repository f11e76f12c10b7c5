"""What a lower precision costs on labelled images: AUROC before and after.

Shapes: B images, S input side in pixels.
"""

from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from faprompt.data.samples import Dataset
from faprompt.detection.detector import Detector
from faprompt.detection.evaluation import evaluate
from faprompt.runtime import Runtime

METRICS = ("image_auroc", "pixel_auroc")


@dataclass(frozen=True, slots=True)
class Compared:
    """A metric of both models, None where it is undefined."""

    before: float | None
    after: float | None


class RuntimeScorer:
    """A runtime as :func:`faprompt.detection.evaluation.evaluate` wants it: with tensors."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.batch_size = runtime.batch_size
        self.precision = runtime.description.precision

    @property
    def input_size(self) -> int:
        """S, side of the square input in pixels."""
        return self.runtime.input_size

    def read(self, source: Any) -> tuple[Image.Image, Tensor]:
        """One image (RGB) and its input (3, S, S)."""
        image, pixels = self.runtime.read(source)
        return image, torch.from_numpy(pixels)

    def score(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, S, S) to scores (B,) and maps (B, S, S)."""
        scores, maps = self.runtime.score(pixels.numpy())
        return torch.from_numpy(scores), torch.from_numpy(maps)


def compare(detector: Detector, runtime: Runtime, dataset: Dataset) -> dict[str, Compared]:
    """AUROC of images and pixels of both models, mean over the classes of a labelled data set.

    Raises:
        DataError: no labelled image can be read.
    """
    before, after = (
        evaluate(model, dataset).mean()[0] for model in (detector, RuntimeScorer(runtime))
    )
    return {name: Compared(before[name], after[name]) for name in METRICS}
