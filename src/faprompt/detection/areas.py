"""What of an image counts: a region of interest, and what to ignore.

It acts before the maxima are taken: what does not count is no candidate for the image score's
maxima, feeds no prior, and is 0 in the map. Free of torch and OpenCV.
Shapes: H x W the image, G patches along a side, L = G * G patches.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faprompt.data.masks import read_mask_file
from faprompt.detection.polygons import (
    Polygon,
    fill,
    looks_like_polygon,
    parse_polygon,
    read_polygons,
)
from faprompt.errors import DataError

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """One area as it was given: polygons, or a mask of a certain size."""

    source: str
    """As typed."""
    polygons: tuple[Polygon, ...] = ()
    mask: Mask | None = None
    """True where the file is white; (h, w)."""

    @classmethod
    def parse(cls, text: str) -> "Shape":
        """Read "x,y x,y x,y", a JSON file of polygons, or a mask (any image file, white counts).

        Raises:
            ConfigError: the polygon is none.
            DataError: the file cannot be read, or marks nothing.
        """
        if looks_like_polygon(text):
            return cls(text, (parse_polygon(text),))
        path = Path(text).expanduser()
        if not path.is_file():
            raise DataError(
                f"{text}: neither a file nor a polygon; needed is a mask image, a JSON file of "
                'polygons, or "x,y x,y x,y"'
            )
        if path.suffix.lower() == ".json":
            return cls(text, tuple(read_polygons(path)))
        mask = read_mask_file(path)
        if not mask.any():
            raise DataError(f"{path}: this mask marks nothing; what is meant must be white")
        return cls(text, mask=mask)

    def pixels(self, size: tuple[int, int]) -> Mask:
        """Which pixels of an image of (width, height) lie in it, (H, W).

        Raises:
            DataError: the mask is of another shape than the image.
        """
        if self.mask is None:
            return fill(list(self.polygons), size)
        height, width = self.mask.shape
        if (width, height) == size:
            return self.mask
        if not _same_aspect((width, height), size):
            raise DataError(
                f"mask {self.source} has {width} x {height} pixels, the image {size[0]} x "
                f"{size[1]}, which is another shape; draw the mask on an image of this size"
            )
        scaled = Image.fromarray(self.mask).resize(size, Image.Resampling.NEAREST)
        return np.array(scaled)

    def digest(self) -> str:
        """The same for the same pixels, wherever they were written down."""
        content = repr(self.polygons).encode()
        if self.mask is not None:
            content = repr(self.mask.shape).encode() + np.packbits(self.mask).tobytes()
        return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Areas:
    """What of every image counts: what lies in a region of interest, if any, and is not ignored.

    Example:
        >>> areas = Areas.parse(interest=["0,0 4,0 4,2 0,2"], ignore=["1,0 2,0 2,2 1,2"])
        >>> areas.counting((4, 2)).astype(int).tolist()
        [[1, 0, 1, 1], [1, 0, 1, 1]]
    """

    interest: tuple[Shape, ...] = ()
    """Regions of interest; none: the whole image."""
    ignore: tuple[Shape, ...] = ()
    """What does not count, also inside a region of interest."""

    @classmethod
    def parse(cls, interest: Sequence[str] = (), ignore: Sequence[str] = ()) -> "Areas":
        """Read shapes as they are typed; see :meth:`Shape.parse`.

        Raises:
            ConfigError: a polygon is none.
            DataError: a file cannot be read, or marks nothing.
        """
        return cls(tuple(map(Shape.parse, interest)), tuple(map(Shape.parse, ignore)))

    def counting(self, size: tuple[int, int]) -> Mask:
        """Which pixels of an image of (width, height) count, (H, W); not to be written to.

        Raises:
            DataError: none does, or a mask is of another shape than the image.
        """
        return _counting(self, size)

    def digests(self) -> dict[str, list[str]]:
        """What decides the results, for the record of a run."""
        return {
            name: [shape.digest() for shape in shapes]
            for name, shapes in (("roi", self.interest), ("ignore", self.ignore))
        }


@lru_cache(maxsize=2)  # images of one camera have one size
def _counting(areas: Areas, size: tuple[int, int]) -> Mask:
    counting = np.full((size[1], size[0]), not areas.interest)
    for shape in areas.interest:
        counting |= shape.pixels(size)
    for shape in areas.ignore:
        counting &= ~shape.pixels(size)
    if not counting.any():
        raise DataError(
            f"no pixel of an image of {size[0]} x {size[1]} counts: the region of interest lies "
            "outside of it, or all of it is ignored"
        )
    counting.flags.writeable = False
    return counting


def counting_patches(counting: Mask, grid: int) -> Mask:
    """Which patches count: those with at least one pixel that does, (L,) in raster order.

    One pixel is enough, so that nothing that counts goes unjudged, however narrow: a defect
    missed costs more than a false alarm from a patch that also shows its surroundings. An area to
    ignore therefore takes effect where it covers whole patches.

    Args:
        counting: (H, W), of an image that is resized to a square of patches.
        grid: G.

    Example:
        >>> counting_patches(np.array([[False, False, True, False]] * 4), 2)
        array([False,  True, False,  True])
    """
    rows = np.stack([counting[a:b].any(axis=0) for a, b in _spans(counting.shape[0], grid)])
    patches = [rows[:, a:b].any(axis=1) for a, b in _spans(counting.shape[1], grid)]
    return np.stack(patches, axis=1).ravel()


def _spans(pixels: int, grid: int) -> list[tuple[int, int]]:
    """First pixel and the one behind the last of each patch; bordering ones may share a pixel."""
    return [(i * pixels // grid, -(-(i + 1) * pixels // grid)) for i in range(grid)]


def _same_aspect(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether scaling turns one into the other, up to one pixel of the smaller."""
    small, large = sorted([one, other])
    factor = large[0] / small[0]
    return abs(large[1] / factor - small[1]) <= 1
