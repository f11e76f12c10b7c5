"""Pixels in and out with numpy and Pillow alone, equal to what the detector does.

Shapes: S side of the model's input, H x W the original image.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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
    """Resize a map (S, S) to the original image's (width, height), bilinearly.

    Pixel centres lie at half-integers and the border repeats, as in OpenCV's INTER_LINEAR.

    Example:
        >>> to_original(np.array([[0, 1], [0, 1]], np.float32), (4, 1)).tolist()
        [[0.0, 0.25, 0.75, 1.0]]
    """
    width, height = size
    if anomaly_map.shape == (height, width):
        return anomaly_map.copy()
    top, bottom, share = _neighbours(anomaly_map.shape[0], height)
    rows = anomaly_map[top] + (anomaly_map[bottom] - anomaly_map[top]) * share[:, None]  # (H, S)
    left, right, share = _neighbours(anomaly_map.shape[1], width)
    resized: Floats = rows[:, left] + (rows[:, right] - rows[:, left]) * share  # (H, W)
    return resized


def _neighbours(before: int, after: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """For each of ``after`` positions both neighbours of ``before``, and the second's share."""
    position = (np.arange(after) + 0.5) * (before / after) - 0.5
    position = position.clip(0, before - 1)
    first = position.astype(np.intp)
    second = np.minimum(first + 1, before - 1)
    return first, second, (position - first).astype(np.float32)
