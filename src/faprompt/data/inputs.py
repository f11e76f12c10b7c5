"""One door for everything a user may hand over as an image."""

import os
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faprompt.data.images import MAX_PIXELS, open_image, scale_16_bit, to_rgb, upright
from faprompt.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    ImageInput = str | os.PathLike[str] | Image.Image | NDArray[Any] | Tensor


def to_image(image: "ImageInput", max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Turn one image, in whatever form, into upright 8-bit RGB.

    Args:
        image: A path; a Pillow image (its EXIF rotation is applied); an array (H, W),
            (H, W, 1), (H, W, 3) RGB or (H, W, 4), whose alpha is dropped; a tensor (H, W) or
            (C, H, W) with 1, 3 or 4 channels. Values: uint8; uint16, scaled by its full range;
            floats in [0, 1].
        max_pixels: Width times height that is still read from a file.

    Returns:
        A loaded image of mode RGB.

    Raises:
        DataError: of another type, shape, dtype or range, with NaN, or an unreadable file.

    Example:
        >>> to_image(np.zeros((2, 3), dtype=np.uint8)).size
        (3, 2)
    """
    if isinstance(image, str | os.PathLike):
        return open_image(os.fspath(image), max_pixels)
    if isinstance(image, Image.Image):
        return _from_pillow(image)
    if isinstance(image, np.ndarray):
        return _from_array(image, f"array {image.shape} of {image.dtype}", tensor=False)
    if _is_tensor(image):
        return _from_tensor(image)
    raise DataError(
        f"{type(image).__name__} is not an image; needed is a path, a Pillow image, an array "
        "(H, W, 3) or a tensor (3, H, W)"
    )


def _from_pillow(image: Image.Image) -> Image.Image:
    try:
        image.load()  # opened images are read no earlier
        return to_rgb(upright(image))
    except DataError:
        raise
    except Exception as error:  # decoders fed with damaged bytes raise nearly anything
        raise DataError(f"Pillow image of mode {image.mode} cannot be read ({error})") from error


def _is_tensor(value: object) -> "TypeGuard[Tensor]":
    """Tell without importing torch: whoever has a tensor has imported it."""
    return any(f"{t.__module__}.{t.__name__}" == "torch.Tensor" for t in type(value).__mro__)


def _from_tensor(image: "Tensor") -> Image.Image:
    name = f"tensor {tuple(image.shape)} of {image.dtype}"
    try:
        array = image.detach().cpu()
        array = array.float() if array.is_floating_point() else array  # numpy has no bfloat16
        values = array.numpy()
    except Exception as error:  # sparse, without memory, ...: each fails in its own way
        raise DataError(f"{name} cannot be read ({error}); needed is a plain tensor") from error
    return _from_array(values, name, tensor=True)


def _from_array(array: NDArray[Any], name: str, *, tensor: bool) -> Image.Image:
    channels = array.shape[0 if tensor else -1] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4) or not array.size:
        form = "(C, H, W)" if tensor else "(H, W, C)"
        raise DataError(f"{name} is not one image; needed is (H, W) or {form}, C being 1, 3 or 4")
    pixels = _eight_bit(array, name)
    if array.ndim == 3:
        pixels = np.moveaxis(pixels, 0, -1) if tensor else pixels  # (H, W, C)
        pixels = pixels[..., 0] if channels == 1 else pixels[..., :3]
    return Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")


def _eight_bit(array: NDArray[Any], name: str) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.uint16:
        return scale_16_bit(array)
    if not np.issubdtype(array.dtype, np.floating):
        raise DataError(f"{name} has no known range; needed is uint8, uint16 or floats in [0, 1]")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 1):  # false for NaN, too
        raise DataError(f"{name} has values from {low:g} to {high:g}; floats must lie in [0, 1]")
    pixels: NDArray[np.uint8] = np.rint(array * 255).astype(np.uint8)
    return pixels
