"""Heat maps on one fixed colour scale, so that a normal image looks calm. Shapes: H x W pixels."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from faprompt.errors import ConfigError

STRONGEST = 0.65  # of the colour over the image
BAND_PIXELS = 1 << 22  # blended at once
# From amber to dark red: distinct on grey and on most colours, and ordered for colour-blind eyes.
STOPS = np.array(
    [[255, 214, 64], [255, 150, 20], [232, 60, 20], [150, 0, 40]], dtype=np.float32
)  # (4, 3)

OUTLINE, OUTLINE_EDGE = (255, 255, 255), (20, 30, 60)  # white between dark blue: neither is a stop
OUTLINE_SHARE = 500  # of the picture's longer side is the width of an outline's white


def strength(anomaly_map: NDArray[np.float32], limits: tuple[float, float]) -> NDArray[np.float32]:
    """How much colour each pixel gets, (H, W) in [0, 1]: 0 up to the lower limit, 1 from the upper.

    Raises:
        ConfigError: the limits are not ascending.
    """
    low, high = limits
    if not low < high:
        raise ConfigError(f"colour limits must be ascending, got {low:g} and {high:g}")
    values = (anomaly_map - np.float32(low)) / np.float32(high - low)
    return values.clip(0, 1)


def colours(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colour of each value in [0, 1]: (H, W) to (H, W, 3) in [0, 255]."""
    position = values * (len(STOPS) - 1)
    index = np.minimum(position.astype(np.int64), len(STOPS) - 2)
    share = (position - index)[..., None]
    mixed: NDArray[np.float32] = STOPS[index] * (1 - share) + STOPS[index + 1] * share
    return mixed


def overlay(
    image: Image.Image, anomaly_map: NDArray[np.float32], limits: tuple[float, float]
) -> Image.Image:
    """Blend the heat map over its image; where nothing is suspicious the image stays as it is.

    Args:
        image: RGB, W x H.
        anomaly_map: (H, W), in [0, 1].
        limits: Anomaly values where colour starts and where it is full; the same for all images.
    """
    pixels = np.array(image)
    lines = max(1, BAND_PIXELS // image.width)
    for top in range(0, image.height, lines):  # a large image would need many times its memory
        _blend(pixels[top : top + lines], strength(anomaly_map[top : top + lines], limits))
    return Image.fromarray(pixels)


def _blend(pixels: NDArray[np.uint8], values: NDArray[np.float32]) -> None:
    """Colour pixels (h, W, 3) in place, as strongly as ``values`` (h, W) say."""
    top, bottom, left, right = _bounds(values)
    part = values[top:bottom, left:right]  # most images are calm: blend only where there is colour
    share = (STRONGEST * np.sqrt(part))[..., None]
    region = pixels[top:bottom, left:right]
    blended = region * (1 - share) + colours(part) * share
    pixels[top:bottom, left:right] = (blended + 0.5).astype(np.uint8)


def outlined(image: Image.Image, outlines: Iterable[Sequence[tuple[float, float]]]) -> Image.Image:
    """Draw outlines of regions over a picture, dark on both sides so that they show on anything.

    Args:
        image: RGB, W x H; it stays as it is.
        outlines: Corners (x, y) in pixels, the last as the first.
    """
    drawn = image.copy()
    draw = ImageDraw.Draw(drawn)
    width = max(1, round(max(image.size) / OUTLINE_SHARE))
    lines = [list(outline) for outline in outlines]
    for colour, thickness in ((OUTLINE_EDGE, 3 * width), (OUTLINE, width)):
        for line in lines:
            draw.line(line, fill=colour, width=thickness, joint="curve")
    return drawn


def _bounds(values: NDArray[np.float32]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(values.any(axis=1)), np.flatnonzero(values.any(axis=0))
    if not rows.size:
        return 0, 0, 0, 0
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
