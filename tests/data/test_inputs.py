"""Everything a user may hand over as an image ends as the same RGB."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from faprompt.data.inputs import to_image
from faprompt.errors import DataError

RGB = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
GREY = RGB[..., 0]
CHW = torch.from_numpy(RGB).permute(2, 0, 1)


@pytest.mark.parametrize(
    "given",
    [
        RGB,
        RGB[::-1][::-1],
        np.dstack([RGB, GREY]),
        RGB.astype(np.uint16) * 257,
        RGB / 255,
        (RGB / 255).astype(np.float32),
        CHW,
        CHW.float() / 255,
        CHW.double() / 255,
        Image.fromarray(RGB),
    ],
    ids=lambda given: f"{type(given).__name__}-{getattr(given, 'dtype', '')}",
)
def test_colour_stays_what_it_is(given: Any) -> None:
    image = to_image(given)
    assert image.mode == "RGB"
    np.testing.assert_array_equal(image, RGB)


@pytest.mark.parametrize(
    "given",
    [GREY, GREY[..., None], torch.from_numpy(GREY), torch.from_numpy(GREY)[None], GREY / 255],
    ids=lambda given: f"{type(given).__name__}-{getattr(given, 'dtype', '')}",
)
def test_grey_becomes_three_equal_channels(given: Any) -> None:
    np.testing.assert_array_equal(to_image(given), np.dstack([GREY] * 3))


def test_a_path_is_opened(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "x.png")
    np.testing.assert_array_equal(to_image(tmp_path / "x.png"), RGB)
    np.testing.assert_array_equal(to_image(str(tmp_path / "x.png")), RGB)


def test_tensors_with_gradient_or_half_precision_are_read() -> None:
    tensor = torch.zeros(3, 2, 2, dtype=torch.bfloat16, requires_grad=True)
    assert to_image(tensor).getextrema() == ((0, 0),) * 3


def test_a_pillow_image_is_turned_upright() -> None:
    image = Image.fromarray(RGB)
    image.getexif()[0x0112] = 6
    assert to_image(image).size == (4, 6)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (np.zeros((3, 8, 9), np.uint8), r"array \(3, 8, 9\) of uint8 is not one .* \(H, W, C\)"),
        (torch.zeros(8, 9, 3), r"tensor \(8, 9, 3\) of torch.float32 is not one .* \(C, H, W\)"),
        (torch.zeros(1, 3, 8, 9), r"tensor \(1, 3, 8, 9\) .* is not one image"),
        (np.zeros((0, 4, 3), np.uint8), r"array \(0, 4, 3\) of uint8 is not one image"),
        (np.zeros((2, 2), bool), "of bool has no known range"),
        (np.zeros((2, 2), np.int64), "of int64 has no known range; needed is uint8, uint16 or"),
        (np.array([[0.0, 2.0]]), "values from 0 to 2; floats must lie in"),
        (np.array([[0.0, np.nan]]), "values from nan to nan"),
        (Image.fromarray(np.zeros((2, 2), np.float32)), "image of floats"),
        (7, "int is not an image; needed is a path, a Pillow image"),
    ],
)
def test_what_is_not_clearly_an_image_is_refused(given: Any, text: str) -> None:
    with pytest.raises(DataError, match=text):
        to_image(given)


def test_a_cut_off_file_opened_by_the_user_is_refused(tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 50).save(tmp_path / "x.png")
    (tmp_path / "x.png").write_bytes((tmp_path / "x.png").read_bytes()[:400])
    with Image.open(tmp_path / "x.png") as image, pytest.raises(DataError, match="cannot be read"):
        to_image(image)
