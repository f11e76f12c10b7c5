"""A small picture of a large image, made while its rows go by."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LONGEST = 2048
"""Pixels along the longer side at most."""


class Overview:
    """Averages blocks of pixels.

    Example:
        >>> overview = Overview((4096, 3))
        >>> overview.add(Image.new("RGB", (4096, 3), "white"))
        >>> overview.picture().size
        (2048, 2)
    """

    def __init__(self, size: tuple[int, int]) -> None:
        """Begin a picture of an image of (width, height)."""
        self.factor = math.ceil(max(size) / LONGEST)
        self._waiting = np.zeros((0, size[0], 3), dtype=np.uint8)
        self._done: list[NDArray[np.uint8]] = []

    def add(self, rows: Image.Image) -> None:
        """Take the next rows (RGB, full width)."""
        pixels = np.concatenate([self._waiting, np.asarray(rows)])
        whole = len(pixels) - len(pixels) % self.factor
        self._reduce(pixels[:whole])
        self._waiting = pixels[whole:].copy()

    def picture(self) -> Image.Image:
        """The picture, all rows being added."""
        self._reduce(self._waiting)
        self._waiting = self._waiting[:0]
        return Image.fromarray(np.concatenate(self._done))

    def _reduce(self, pixels: NDArray[np.uint8]) -> None:
        if len(pixels):
            self._done.append(np.asarray(Image.fromarray(pixels).reduce(self.factor)))
