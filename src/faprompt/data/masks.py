"""Ground truth of the pixels: a binary mask, or honestly nothing. Shapes: H, W of the image."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faprompt.data.images import image_size, opened, quarter_turn, upright
from faprompt.data.samples import MaskRule, Sample
from faprompt.errors import DataError

_LOSSY = frozenset({"JPEG", "MPO", "WEBP", "JPEG2000"})
"""Formats whose black is not quite black."""


def read_mask(sample: Sample, size: int | None) -> NDArray[np.bool_] | None:
    """Return the defect's pixels, or None where they are unknown (METHOD section 7).

    A normal image without a mask has no defect pixels. Unknown are: any other image without a mask,
    and an anomalous image whose mask is empty, or has nothing left at ``size``.
    A mask of another size than its image is stretched to it (nearest neighbour, so that it stays
    binary); one that has the size of the image before its EXIF rotation is turned with it.

    Args:
        sample: What the layout knows; ``mask_rule`` says which values mean defect.
        size: Side of the square returned; None: the size of the image as seen.

    Returns:
        True where the defect is, (H, W).

    Raises:
        DataError: a file is missing or damaged, or the mask of a normal image is not empty.
    """
    if sample.mask_path is None and sample.label != 0:
        return None
    width, height = (size, size) if size else image_size(sample.image_path)
    if sample.mask_path is None:
        return np.zeros((height, width), dtype=np.bool_)
    mask = _read(sample)
    if sample.label == 0 and mask.any():
        raise DataError(
            f"{sample.mask_path}: marks {int(mask.sum())} pixels of {sample.image_path}, which is "
            "labelled normal; correct the label or take the mask away"
        )
    if mask.shape != (height, width):
        scaled = Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST)
        mask = np.array(scaled)
    return mask if mask.any() or sample.label != 1 else None


def read_mask_file(path: Path, rule: MaskRule = "auto") -> NDArray[np.bool_]:
    """Return what a mask file marks, upright, (H, W).

    Raises:
        DataError: the file is missing or damaged.
    """
    with opened(path) as file:
        file.load()
        values, full = _values(upright(file))
        return binarise(values, rule, full=full, lossy=file.format in _LOSSY)


def binarise(
    values: NDArray[Any], rule: MaskRule, *, full: float, lossy: bool
) -> NDArray[np.bool_]:
    """Tell defect from background.

    Args:
        values: Grey values or codes, (H, W), not negative.
        rule: See ``MaskRule``.
        full: Largest value the file could hold: 1, 255 or 65535.
        lossy: Whether black may have become a little grey; matters to ``auto``.

    Example:
        >>> binarise(np.array([[0, 1, 2]]), "auto", full=255, lossy=False)
        array([[False,  True,  True]])
    """
    half = 127 / 255 * full
    upper = values > half
    codes = rule == "nonzero" or (rule == "auto" and not lossy and not upper.any())
    return values != 0 if codes else upper


def _read(sample: Sample) -> NDArray[np.bool_]:
    assert sample.mask_path is not None
    mask = read_mask_file(sample.mask_path, sample.mask_rule)
    height, width = mask.shape
    lying = width != height and image_size(sample.image_path) == (height, width)
    turn = quarter_turn(sample.image_path) if lying else None
    if turn is None:
        return mask
    return np.array(Image.fromarray(mask).transpose(turn))  # drawn before the image was turned


def _values(image: Image.Image) -> tuple[NDArray[Any], float]:
    """Return one value per pixel and the largest one possible."""
    if image.mode == "1":
        return np.asarray(image), 1
    if image.mode.startswith("I"):
        return np.asarray(image), 65535
    if image.mode == "F":
        values = np.asarray(image)
        if not np.isfinite(values).all():
            raise DataError("mask of floats that are not finite; save it as 8 bit")
        return values, 1 if values.max() <= 1 else 255
    if image.mode in {"L", "LA"}:
        return np.asarray(image.getchannel(0)), 255
    colours = np.asarray(image.convert("RGBA"))[..., :3]  # RGBA: no warning for palettes
    return colours.max(axis=2), 255  # any colour but black counts
