"""Pixels in and out with numpy and Pillow alone, equal to what the detector does.

Shapes: S side of the model's input, H x W the original image.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faprompt.detection.stretching import stretch

Triple = tuple[float, float, float]
Floats = NDArray[np.float32]


def preprocess(image: Image.Image, *, size: int, mean: Triple, std: Triple) -> Floats:
    """Resize to a square and normalise, as :func:`faprompt.data.transforms.preprocess`.

    The same operations in the same order and precision, so that the values are the same.

    Args:
        image: Any Pillow image.
        size: S, side of the square.
        mean: Per channel, of values in [0, 1].
        std: Per channel, of values in [0, 1].

    Returns:
        Normalised pixels, (3, S, S).

    Example:
        >>> white = Image.new("RGB", (4, 2), "white")
        >>> np.unique(preprocess(white, size=2, mean=(0.5,) * 3, std=(0.5,) * 3)).tolist()
        [1.0]
    """
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    square = np.array(rgb.resize((size, size), Image.Resampling.BICUBIC))  # (S, S, 3) uint8
    means, deviations = (np.array(values, np.float32).reshape(3, 1, 1) for values in (mean, std))
    pixels = np.ascontiguousarray(square.transpose(2, 0, 1), dtype=np.float32)  # (3, S, S)
    pixels *= np.float32(1) / (deviations * np.float32(255))
    pixels -= means / deviations
    return pixels


def to_original(anomaly_map: Floats, size: tuple[int, int]) -> Floats:
    """Resize a map (S, S) to the original image's (width, height), bilinearly."""
    if anomaly_map.shape == (size[1], size[0]):
        return anomaly_map.copy()
    return stretch(anomaly_map, size)
