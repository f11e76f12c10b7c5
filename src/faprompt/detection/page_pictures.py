"""Pictures for pages: outlines of defects, pictures and colour scales as text within HTML.

Shapes: H x W pixels of a picture.
"""

import base64
import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faprompt.detection import rendering

LARGEST = 256
"""Longest side of an embedded picture: twice of what a card shows, for fine screens."""
JPEG_QUALITY = 82
OUTLINE = (0, 229, 255)
"""Cyan: no heat map has it, and few products."""
EDGE = (0, 20, 30)
"""Around the outline, so that it is seen on light ground."""
SCALE_STEPS = 16


def outlined(image: Image.Image, mask: NDArray[np.bool_]) -> Image.Image:
    """Draw a line around the True pixels of a mask, outside of them.

    Args:
        image: RGB, W x H.
        mask: (H, W).
    """
    width = max(2, round(max(image.size) / 110))
    inner, line, edge = (_grown(mask, radius) for radius in (width // 2, 3 * width // 2, 2 * width))
    pixels = np.array(image)
    pixels[edge & ~inner] = EDGE
    pixels[line & ~inner] = OUTLINE
    return Image.fromarray(pixels)


def _grown(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    side = 2 * radius + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return cv2.dilate(mask.astype(np.uint8), disc).astype(np.bool_)


def data_uri(image: Image.Image, largest: int = LARGEST) -> str:
    """A picture as a ``data:`` address with a JPEG, scaled down to ``largest`` pixels a side."""
    small = image.convert("RGB")
    small.thumbnail((largest, largest), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def scale_gradient() -> str:
    """The heat map's colours as a CSS gradient, as strong as an overlay shows them."""
    values = np.linspace(0, 1, SCALE_STEPS, dtype=np.float32)
    stops = []
    for value, (red, green, blue) in zip(values, rendering.colours(values), strict=True):
        share = rendering.STRONGEST * np.sqrt(value)
        stops.append(f"rgba({red:.0f},{green:.0f},{blue:.0f},{share:.2f})")
    return f"linear-gradient(to right,{','.join(stops)})"
