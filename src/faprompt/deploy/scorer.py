"""An exported model where a detector is evaluated. Shapes: B images, S input side in pixels."""

from typing import Any

import torch
from PIL import Image
from torch import Tensor

from faprompt.detection.prediction import Engine
from faprompt.runtime import Runtime


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

    def engine(self) -> Engine[Any]:
        """What looks at large images by windows."""
        return self.runtime.engine()
