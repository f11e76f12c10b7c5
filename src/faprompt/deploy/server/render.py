"""Pictures of an item in the sizes that the page asks for. Shapes: H x W pixels."""

import io
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faprompt.data.images import open_image, opened
from faprompt.deploy.server.database import Row
from faprompt.deploy.server.folder import FULL_SCALE, MAP_SIDE, PNG_COMPRESSION, DeskFolder
from faprompt.detection import rendering

Size = Literal["thumb", "view", "full"]
VIEW_SIDE = 1600
"""Longest side of the picture that a screen shows."""
QUALITY = 90
SHOWN_AS_IS = {"PNG": "image/png", "JPEG": "image/jpeg"}
"""Formats that every browser shows upright by itself."""

Picture = tuple[bytes, str]
"""Bytes and media type."""


class Renderer:
    """Makes pictures from a desk's folder; called in threads, a few at a time."""

    def __init__(self, folder: DeskFolder, max_pixels: int) -> None:
        self.folder, self.max_pixels = folder, max_pixels

    def image(self, item: Row, size: Size) -> Picture:
        """The original, or a smaller JPEG of it."""
        place = self.folder.image(item["sha256"])
        if size == "thumb":
            thumb = self.folder.thumb(item["sha256"])
            if thumb.is_file():
                return thumb.read_bytes(), "image/jpeg"
            image = open_image(place, self.max_pixels)
            return self.folder.make_thumb(item["sha256"], image), "image/jpeg"
        if size == "full":
            with opened(place, self.max_pixels) as image:
                media_type = SHOWN_AS_IS.get(image.format or "")
            if media_type:
                return place.read_bytes(), media_type
            return _png(open_image(place, self.max_pixels))
        image = open_image(place, self.max_pixels)
        image.thumbnail((VIEW_SIDE, VIEW_SIDE))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=QUALITY)
        return buffer.getvalue(), "image/jpeg"

    def map(self, item: Row, size: Size) -> Picture:
        """The raw map as 16-bit grey PNG."""
        if size == "view":
            stored = self.folder.map(item["id"]).read_bytes()
            if max(item["width"], item["height"]) <= MAP_SIDE:
                return stored, "image/png"
        values = self._map(item, {"thumb": 256, "view": MAP_SIDE, "full": 0}[size])
        return _png(Image.fromarray(np.rint(values * FULL_SCALE).astype(np.uint16)))

    def overlay(self, item: Row, size: Size) -> Picture:
        """The heat map over the image."""
        image = open_image(self.folder.image(item["sha256"]), self.max_pixels)
        if size != "full":
            side = 256 if size == "thumb" else VIEW_SIDE
            image.thumbnail((side, side))
        values = _resized(self.folder.read_map(item["id"]), image.size)
        limits = (item["colour_low"], item["colour_high"])
        return _png(rendering.overlay(image, values, limits))

    def mask(self, item: Row, threshold: float) -> Picture:
        """What lies at or above a threshold, in the size of the image: white on black."""
        values = self._map(item, 0)
        return _png(Image.fromarray(((values >= threshold) * 255).astype(np.uint8)))

    def stored(self, item: Row) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """The map in the size of the image, and the shares of the prompts."""
        return self._map(item, 0), self.folder.read_responses(item["id"])

    def _map(self, item: Row, side: int) -> NDArray[np.float32]:
        """The map with a longest side, 0 being the image's own."""
        width, height = item["width"], item["height"]
        scale = min(1.0, side / max(width, height)) if side else 1.0
        size = max(1, round(width * scale)), max(1, round(height * scale))
        return _resized(self.folder.read_map(item["id"]), size)


def _resized(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    if values.shape == (size[1], size[0]):
        return values
    image = Image.fromarray(values).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.float32).clip(0, 1)


def _png(image: Image.Image) -> Picture:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=PNG_COMPRESSION)
    return buffer.getvalue(), "image/png"
