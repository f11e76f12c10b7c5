"""Reading images of any kind into upright 8-bit RGB, or saying by name why not."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from faprompt.data.files import regular_file
from faprompt.errors import DataError

logger = logging.getLogger(__name__)

MAX_PIXELS = 178_956_970
"""Largest image read by default: Pillow's own limit against decompression bombs."""
_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM", "JPEG2000")
_OPENING = threading.Lock()
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation to what turns the stored image upright (Exif 2.32, tag 274)."""
_QUARTER_TURNS = {
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
}


def open_image(path: str | Path, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read an image file as it is meant to be seen.

    EXIF rotation is applied. 16-bit grey is scaled by its full range (65535 becomes 255).
    Transparency is dropped, as ``convert("RGB")`` does. Of several frames the first is read.

    Args:
        path: PNG, JPEG, BMP, TIFF, WebP, GIF, PNM or JPEG 2000, recognised by content.
        max_pixels: Width times height that is still read.

    Returns:
        A loaded image of mode RGB.

    Raises:
        DataError: the file is missing, empty, cut off, too large, of floats, or not an image.
    """
    with opened(path, max_pixels) as image:
        image.load()
        return to_rgb(upright(image))


def image_size(path: str | Path, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Return (width, height) as seen, after EXIF rotation, from the file's header alone.

    Raises:
        DataError: as ``open_image``, as far as the header shows it.
    """
    with opened(path, max_pixels) as image:
        turned = _turn(image) in _QUARTER_TURNS
        return (image.height, image.width) if turned else image.size


def quarter_turn(path: str | Path) -> Image.Transpose | None:
    """Return what turns the stored image upright, if that swaps width and height.

    Raises:
        DataError: as ``image_size``.
    """
    with opened(path) as image:
        turn = _turn(image)
        return turn if turn in _QUARTER_TURNS else None


@contextmanager
def opened(path: str | Path, max_pixels: int = MAX_PIXELS) -> Iterator[Image.Image]:
    """Open an image file; what fails here or inside the block becomes a ``DataError`` naming it."""
    path = Path(path)
    _check_file(path)
    try:
        with _open_header(path) as image:
            if image.width * image.height > max_pixels:
                raise DataError(
                    f"{image.width} x {image.height} pixels are more than the limit of "
                    f"{max_pixels}; save it as TIFF and look at it by windows (--tile), scale it "
                    "down, or raise the limit"
                )
            yield image
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except UnidentifiedImageError as error:
        raise DataError(
            f"{path}: not an image that can be read; needed is one of {', '.join(_FORMATS)}"
        ) from error
    except Exception as error:  # decoders fed with damaged bytes raise nearly anything
        raise DataError(
            f"{path}: damaged or cut off ({type(error).__name__}: {error}); "
            "copy or export the file again"
        ) from error


def _check_file(path: Path) -> None:
    if not regular_file(path, needed="an image file").st_size:
        raise DataError(f"{path}: is empty (0 bytes); copy or export the file again")


def _open_header(path: Path) -> Image.Image:
    """Open without Pillow's limit, which is one for the whole process; ours follows at once."""
    with _OPENING:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(path, formats=_FORMATS)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Return what turns the image upright; None where nothing does or its EXIF is damaged."""
    if image.format == "TIFF":
        return None  # Pillow turns these itself
    try:
        return _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception as error:  # damaged notes about an image do not cost the image
        logger.debug("EXIF cannot be read: %s", error)
        return None


def upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF rotation of a loaded image."""
    turn = _turn(image)
    return image if turn is None else image.transpose(turn)


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to 8-bit RGB.

    Raises:
        DataError: the image holds floats or integers beyond 16 bits, whose range is unknown.
    """
    if image.mode == "F":
        raise DataError("image of floats (mode F), whose range is unknown; save it as 8 or 16 bit")
    if image.mode.startswith("I"):
        return Image.fromarray(scale_16_bit(np.asarray(image))).convert("RGB")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # what Pillow asks for, else it warns
    return image.convert("RGB")


def scale_16_bit(values: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Scale 0..65535 to 0..255, rounding to the nearest.

    Raises:
        DataError: a value is outside.
    """
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise DataError(
            f"image values from {low} to {high}, beyond 16 bits; save it as 8 or 16 bit"
        )
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
