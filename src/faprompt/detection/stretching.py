"""Maps from the model's input to the image's pixels with numpy alone. Shapes: S, W x H pixels."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def stretch(values: Floats, size: tuple[int, int], *, rows: slice = slice(None)) -> Floats:
    """Resize a map (S, S) to (width, height), bilinearly.

    Pixel centres lie at half-integers and the border repeats, as in OpenCV's INTER_LINEAR.

    Args:
        values: (S, S).
        size: (width, height) of the whole result.
        rows: Rows of the result to compute.

    Returns:
        (H, W), or those of its rows.

    Example:
        >>> stretch(np.array([[0, 1], [0, 1]], np.float32), (4, 1)).tolist()
        [[0.0, 0.25, 0.75, 1.0]]
    """
    width, height = size
    top, bottom, share = (part[rows] for part in _neighbours(values.shape[0], height))
    narrow = values[top] + (values[bottom] - values[top]) * share[:, None]  # (H, S)
    left, right, share = _neighbours(values.shape[1], width)
    resized: Floats = narrow[:, left] + (narrow[:, right] - narrow[:, left]) * share  # (H, W)
    return resized


def _neighbours(before: int, after: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """For each of ``after`` positions both neighbours of ``before``, and the second's share."""
    position = (np.arange(after) + 0.5) * (before / after) - 0.5
    position = position.clip(0, before - 1)
    first = position.astype(np.intp)
    second = np.minimum(first + 1, before - 1)
    return first, second, (position - first).astype(np.float32)
