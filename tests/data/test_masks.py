"""Which pixels are defect, and when that is unknown (METHOD section 7)."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faprompt.data.masks import read_mask
from faprompt.data.samples import MaskRule, Sample
from faprompt.errors import DataError


def make(
    folder: Path,
    values: np.ndarray | Image.Image | None,
    *,
    rule: MaskRule = "auto",
    label: int | None = 1,
    size: tuple[int, int] = (3, 1),
) -> Sample:
    """Write an image of ``size`` and its mask, and return their sample."""
    Image.new("L", size).save(folder / "image.png")
    sample = Sample(image_path=folder / "image.png", class_name="nut", label=label, mask_rule=rule)
    if values is None:
        return sample
    mask = values if isinstance(values, Image.Image) else Image.fromarray(values)
    mask.save(folder / "mask.png")
    return replace(sample, mask_path=folder / "mask.png")


@pytest.mark.parametrize(
    ("rule", "values", "expected"),
    [
        ("nonzero", [0, 1, 200], [0, 1, 1]),
        ("above127", [0, 127, 128], [0, 0, 1]),
        ("auto", [0, 127, 255], [0, 0, 1]),  # grey edge of an anti-aliased mask
        ("auto", [0, 1, 2], [0, 1, 1]),  # codes
    ],
)
def test_rules(tmp_path: Path, rule: MaskRule, values: list[int], expected: list[int]) -> None:
    sample = make(tmp_path, np.array([values], dtype=np.uint8), rule=rule)
    mask = read_mask(sample, None)
    assert mask is not None
    assert mask.dtype == bool
    assert mask.astype(int).tolist() == [expected]


def palette(indices: list[int], colours: list[int]) -> Image.Image:
    image = Image.fromarray(np.array([indices], dtype=np.uint8), mode="L")
    image.putpalette(colours)
    return image


@pytest.mark.parametrize(
    "mask",
    [
        Image.fromarray(np.array([[0, 300, 65535]], dtype=np.uint16)),
        Image.fromarray(np.array([[False, False, True]])),
        palette([0, 0, 1], [0, 0, 0, 128, 0, 0]),
        palette([1, 1, 0], [255, 255, 255, 0, 0, 0]),
        Image.fromarray(np.array([[[0] * 4, [0, 0, 0, 255], [255] * 4]], dtype=np.uint8)),
        Image.fromarray(np.array([[[0, 9], [9, 255], [255, 0]]], dtype=np.uint8)),
    ],
    ids=["16 bit", "1 bit", "palette", "palette, white first", "RGBA", "LA"],
)
def test_every_mode_is_read(tmp_path: Path, mask: Image.Image) -> None:
    found = read_mask(make(tmp_path, mask, rule="above127"), None)
    assert found is not None
    assert found.tolist() == [[False, False, True]]


def test_black_of_a_jpeg_is_no_code(tmp_path: Path) -> None:
    sample = make(tmp_path, np.zeros((1, 3), dtype=np.uint8), label=0)
    Image.fromarray(np.full((1, 3), 3, dtype=np.uint8)).save(tmp_path / "mask.jpg")
    mask = read_mask(replace(sample, mask_path=tmp_path / "mask.jpg"), None)
    assert mask is not None
    assert not mask.any()


def test_a_normal_image_without_a_mask_has_no_defect_pixels(tmp_path: Path) -> None:
    mask = read_mask(make(tmp_path, None, label=0), None)
    assert mask is not None
    assert mask.tolist() == [[False] * 3]


@pytest.mark.parametrize("label", [1, None])
def test_without_a_mask_the_pixels_of_other_images_are_unknown(
    tmp_path: Path, label: int | None
) -> None:
    assert read_mask(make(tmp_path, None, label=label), 8) is None


def test_an_empty_mask_of_an_anomalous_image_is_unknown(tmp_path: Path) -> None:
    assert read_mask(make(tmp_path, np.zeros((1, 3), dtype=np.uint8)), None) is None


def test_a_defect_too_small_to_survive_the_resize_is_unknown_not_absent(tmp_path: Path) -> None:
    values = np.zeros((9, 9), dtype=np.uint8)
    values[0, 0] = 255
    assert read_mask(make(tmp_path, values, size=(9, 9)), 3) is None


def test_a_normal_image_with_defect_pixels_is_refused(tmp_path: Path) -> None:
    sample = make(tmp_path, np.full((1, 3), 255, dtype=np.uint8), label=0)
    with pytest.raises(DataError, match=r"mask\.png: marks 3 pixels of .* labelled normal"):
        read_mask(sample, None)


def test_a_mask_stays_binary_and_takes_the_size_asked_for(tmp_path: Path) -> None:
    values = np.array([[0, 255], [0, 0]], dtype=np.uint8)
    mask = read_mask(make(tmp_path, values, size=(2, 2)), 4)
    assert mask is not None
    np.testing.assert_array_equal(mask, np.kron(values > 0, np.ones((2, 2))))


def test_a_mask_of_another_size_is_stretched_to_its_image(tmp_path: Path) -> None:
    mask = read_mask(make(tmp_path, np.array([[0, 255]], dtype=np.uint8), size=(6, 2)), None)
    assert mask is not None
    assert mask.tolist() == [[False] * 3 + [True] * 3] * 2


@pytest.mark.parametrize("drawn_upright", [True, False])
def test_a_mask_follows_the_rotation_of_its_image(tmp_path: Path, drawn_upright: bool) -> None:
    stored = np.array([[255, 0, 0], [0, 0, 0]], dtype=np.uint8)
    upright = np.rot90(stored, -1)  # orientation 6: turned to the right
    sample = make(tmp_path, np.ascontiguousarray(upright if drawn_upright else stored))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(sample.image_path, exif=exif)
    mask = read_mask(sample, None)
    np.testing.assert_array_equal(mask, upright > 0)


def test_a_mask_that_is_named_and_missing_is_an_error(tmp_path: Path) -> None:
    sample = replace(make(tmp_path, None), mask_path=tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"gone\.png: not found"):
        read_mask(sample, None)
