"""A model whose answers are known: it takes bright for anomalous."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faprompt.data.inputs import to_image
from faprompt.detection.prediction import Engine, Seen
from faprompt.detection.stretching import stretch

SIDE, GRID, PROMPTS = 32, 4, 3
Floats = NDArray[np.float32]


def read(source: object, max_pixels: int) -> tuple[Image.Image, Floats]:
    image = to_image(source, max_pixels)  # type: ignore[arg-type]
    grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return image, np.asarray(grey, np.float32) / np.float32(255)


class BrightModel:
    """Counts its calls; the score is the largest value among the patches that count."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def score(
        self,
        pixels: Sequence[Floats],
        *,
        keep: NDArray[np.bool_] | None = None,
        responses: bool = False,
    ) -> list[Seen]:
        self.batches.append(len(pixels))
        return [
            self._seen(one, None if keep is None else keep[i], responses)
            for i, one in enumerate(pixels)
        ]

    def _seen(self, pixels: Floats, keep: NDArray[np.bool_] | None, responses: bool) -> Seen:
        mask = np.ones(GRID * GRID, bool) if keep is None else keep
        counting = np.kron(mask.reshape(GRID, GRID), np.ones((SIDE // GRID, SIDE // GRID)))
        shares = np.zeros((PROMPTS, GRID, GRID), np.float32)
        shares[1] = pixels.reshape(GRID, SIDE // GRID, GRID, SIDE // GRID).mean(axis=(1, 3))
        shares[0] = 1 - shares[1]
        score = float(pixels[counting > 0].max())
        return Seen(image_score=score, anomaly_map=pixels, responses=shares if responses else None)

    def engine(self, *, batch_size: int = 4) -> Engine[Floats]:
        return Engine(
            read=read,
            score=self.score,
            to_original=stretch,
            colour_limits=(0.4, 0.6),
            batch_size=batch_size,
            grid=GRID,
            input_size=SIDE,
            precision="fp32",
        )
