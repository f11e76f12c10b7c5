"""TIFF and BigTIFF read by rows, so that an image need not fit in memory.

Read are strips and tiles of grey or RGB, 8 or 16 bits, with or without alpha, of one plane or of
several, uncompressed or in any compression that imagecodecs decodes; the orientation is applied.
Values are those that ordinary reading gives. Shapes: h x w a part as stored, C channels.
"""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faprompt.data.images import image_size, scale_16_bit
from faprompt.errors import ConfigError, DataError

if TYPE_CHECKING:
    from tifffile import TiffPage

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of TIFF and BigTIFF, in either byte order."""
SEGMENT_BYTES = 1 << 28
"""Largest strip or tile that is decoded at once."""
MIN_IS_WHITE, MIN_IS_BLACK, RGB, YCBCR = 0, 1, 2, 6  # PhotometricInterpretation, TIFF 6.0
PHOTOMETRIC = {0: "min-is-white", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "CIELab"}
JPEG_COMPRESSIONS = (6, 7)
SEPARATE = 2  # PlanarConfiguration
ORIENTATION = 274
LYING = (5, 6, 7, 8)
"""Orientations that swap width and height."""

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
Box = tuple[int, int, int, int]
"""left, top, right, bottom as stored."""


class TiffRows:
    """A TIFF file whose rows can be had a few at a time."""

    def __init__(self, path: str | Path) -> None:
        """Read the header.

        Raises:
            DataError: the file is damaged, or of a kind that is not read by rows.
            ConfigError: the packages for it are not installed.
        """
        self.path = Path(path)
        with _first_page(self.path) as page:
            _check(page)
            self.orientation = _orientation(page)
            stored = page.imagewidth, page.imagelength
        self.size = (stored[1], stored[0]) if self.orientation in LYING else stored
        """(width, height) as seen."""

    def read(self, top: int, bottom: int) -> Image.Image:
        """Rows ``top`` to ``bottom`` as seen, in RGB.

        Where the orientation swaps rows and columns, every call decodes all strips.

        Raises:
            DataError: they are damaged or cut off.
        """
        with _first_page(self.path) as page:
            box = _stored_box(top, bottom, (page.imagewidth, page.imagelength), self.orientation)
            part = _eight_bit(_part(page, box), page)
        turned = _turned(part, self.orientation)
        return Image.fromarray(np.ascontiguousarray(turned)).convert("RGB")


def large_tiff(path: str | Path, max_pixels: int) -> TiffRows | None:
    """The file, to be read by rows, if it is a TIFF of more than ``max_pixels``.

    Raises:
        DataError: it is such a file, and not one that can be read by rows.
        ConfigError: the packages for it are not installed.
    """
    try:
        with Path(path).open("rb") as file:
            if file.read(4) not in MAGIC:
                return None
        width, height = image_size(path, sys.maxsize)
    except OSError:
        return None  # whoever reads it says what is wrong
    except DataError:  # Pillow knows fewer kinds
        width, height = TiffRows(path).size
    return TiffRows(path) if width * height > max_pixels else None


def tifffile() -> Any:
    """The package.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import imagecodecs  # noqa: F401 (tifffile decodes with it)
        import tifffile as package
    except ImportError as error:
        raise ConfigError(
            "large TIFF files need tifffile and imagecodecs: pip install 'faprompt[large]'"
        ) from error
    return package


@contextmanager
def _first_page(path: Path) -> "Iterator[TiffPage]":
    """Open a file; what fails here or inside the block becomes a ``DataError`` naming it."""
    package = tifffile()
    try:
        with package.TiffFile(path) as file:
            yield file.pages[0]
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except Exception as error:  # decoders fed with damaged bytes raise nearly anything
        raise DataError(
            f"{path}: damaged, cut off or of an unknown kind ({type(error).__name__}: {error}); "
            "copy or export the file again"
        ) from error


def _check(page: "TiffPage") -> None:
    """Refuse what cannot be read by rows."""
    bits, kind, samples = page.bitspersample, page.photometric, page.samplesperpixel
    if bits not in (8, 16) or page.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{bits}-bit {page.dtype} TIFF; needed is 8 or 16 bits, unsigned")
    known = {MIN_IS_WHITE: bits == 8, MIN_IS_BLACK: True, RGB: samples >= 3}
    if not known.get(kind, kind == YCBCR and page.compression in JPEG_COMPRESSIONS):
        raise DataError(
            f"{bits}-bit TIFF of kind {PHOTOMETRIC.get(kind, kind)}; needed is grey or RGB to read "
            "it by windows: convert it, or scale it down"
        )
    height, width, channels = _segment_shape(page)
    size = height * width * channels * bits // 8
    if size > SEGMENT_BYTES and not _is_plain(page):
        raise DataError(
            f"its {'tiles' if page.is_tiled else 'strips'} of {width} x {height} pixels are too "
            "large to be decoded one at a time; save it as a tiled TIFF (tiles of 256 or 512)"
        )


def _orientation(page: "TiffPage") -> int:
    tag = page.tags.get(ORIENTATION)
    return tag.value if tag is not None and tag.value in range(1, 9) else 1


def _stored_box(top: int, bottom: int, size: tuple[int, int], orientation: int) -> Box:
    """Where rows as seen lie in what is stored."""
    width, height = size
    if orientation in LYING:
        first, last = (top, bottom) if orientation in (5, 6) else (width - bottom, width - top)
        return first, 0, last, height
    first, last = (top, bottom) if orientation in (1, 2) else (height - bottom, height - top)
    return 0, first, width, last


def _turned(part: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn stored pixels (h, w[, 3]) upright (TIFF 6.0, Orientation)."""
    if orientation in (2, 3, 7, 8):
        part = part[:, ::-1]
    if orientation in (3, 4, 6, 7):
        part = part[::-1]
    return part.swapaxes(0, 1) if orientation in LYING else part


def _eight_bit(part: Pixels, page: "TiffPage") -> NDArray[np.uint8]:
    """(h, w, C) as ordinary reading gives it: (h, w) grey or (h, w, 3)."""
    pixels: Pixels = part[..., 0] if part.shape[-1] == 1 else part
    if pixels.dtype == np.uint16:
        grey = pixels.ndim == 2
        return scale_16_bit(pixels) if grey else (pixels >> 8).astype(np.uint8)
    return np.asarray(255 - pixels if page.photometric == MIN_IS_WHITE else pixels, dtype=np.uint8)


def _segment_shape(page: "TiffPage") -> tuple[int, int, int]:
    """Rows, columns and channels of a strip or tile."""
    channels = 1 if page.planarconfig == SEPARATE else page.samplesperpixel
    if page.is_tiled:
        return page.tilelength, page.tilewidth, channels
    return min(page.rowsperstrip, page.imagelength), page.imagewidth, channels


def _is_plain(page: "TiffPage") -> bool:
    """Whether rows lie in the file as they are."""
    return not page.is_tiled and page.compression == page.predictor == page.fillorder == 1


def _part(page: "TiffPage", box: Box) -> Pixels:
    """A part (h, w, C) as stored, C being 1 or 3: strip by strip, or tile by tile."""
    left, top, right, bottom = box
    wanted = 1 if page.photometric in (MIN_IS_WHITE, MIN_IS_BLACK) else 3
    rows, columns, channels = _segment_shape(page)
    across = math.ceil(page.imagewidth / columns)
    planes = wanted if channels == 1 else 1
    found: Pixels = np.zeros((bottom - top, right - left, wanted), dtype=page.dtype)
    for plane in range(planes):
        target = found[..., plane : plane + 1] if planes > 1 else found
        for row in range(top // rows, math.ceil(bottom / rows)):
            for column in range(left // columns, math.ceil(right / columns)):
                down = math.ceil(page.imagelength / rows)
                index = (plane * down + row) * across + column
                y, x = row * rows, column * columns
                upper, lower = max(top, y), min(bottom, y + rows)
                first, last = max(left, x), min(right, x + columns)
                pixels = _segment_rows(page, index, upper - y, lower - y)
                if pixels is not None:
                    here = target[upper - top : lower - top, first - left : last - left]
                    here[:] = pixels[:, first - x : last - x, : here.shape[-1]]
    return found


def _segment_rows(page: "TiffPage", index: int, first: int, last: int) -> Pixels | None:
    """Some rows (h, w, C) of a strip or tile; None where the file leaves it out (zeros)."""
    offset, size = page.dataoffsets[index], page.databytecounts[index]
    if not size:
        return None
    _, columns, channels = _segment_shape(page)
    if _is_plain(page):
        kind = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
        line = columns * channels * kind.itemsize
        data = _bytes(page, offset + first * line, (last - first) * line)
        pixels: Pixels = np.frombuffer(data, dtype=kind).reshape(last - first, columns, channels)
        return pixels
    tables = {"jpegtables": page.jpegtables} if page.compression in JPEG_COMPRESSIONS else {}
    decoded = page.decode(_bytes(page, offset, size), index, **tables)[0]
    return None if decoded is None else decoded[0, first:last]


def _bytes(page: "TiffPage", offset: int, size: int) -> bytes:
    file = page.parent.filehandle
    file.seek(offset)
    data: bytes = file.read(size)
    if len(data) < size:
        raise DataError("cut off: the file is shorter than its header says; copy it again")
    return data
