"""Reading image files of every kind, and refusing by name what cannot be read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from faprompt.data.images import image_size, open_image
from faprompt.errors import DataError

RGB = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
PICTURE = Image.fromarray(RGB)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "1", "CMYK"])
def test_every_mode_is_what_convert_rgb_gives(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    image = PICTURE.convert(mode)
    if mode in {"RGBA", "LA"}:
        image.putalpha(7)
    image.save(path)
    assert open_image(path).mode == "RGB"
    np.testing.assert_array_equal(open_image(path), image.convert("RGB"))


@pytest.mark.parametrize("suffix", ["bmp", "webp", "gif", "ppm", "JPG", "jp2", "TIFF"])
def test_every_format_is_read(tmp_path: Path, suffix: str) -> None:
    PICTURE.save(tmp_path / f"x.{suffix}")
    assert open_image(tmp_path / f"x.{suffix}").size == (6, 4)


def test_16_bit_uses_the_full_range(tmp_path: Path) -> None:
    values = np.array([[0, 128, 257, 32768, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "x.png")
    image = open_image(tmp_path / "x.png")
    np.testing.assert_array_equal(np.asarray(image)[..., 1], [[0, 0, 1, 128, 255]])


def test_palette_with_transparency_keeps_its_colours_without_a_warning(tmp_path: Path) -> None:
    image = PICTURE.convert("P")
    image.save(tmp_path / "x.png", transparency=bytes([0, 100, 200]))
    np.testing.assert_array_equal(open_image(tmp_path / "x.png"), image.convert("RGB"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_exif_rotation_is_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"x.{suffix}"
    PICTURE.save(path, exif=exif)
    stored = PICTURE.copy()
    stored.getexif()[0x0112] = orientation
    expected = ImageOps.exif_transpose(stored)
    np.testing.assert_array_equal(open_image(path), expected)
    assert image_size(path) == expected.size


def test_the_first_of_several_frames_is_read(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "x.gif", save_all=True, append_images=[ImageOps.invert(PICTURE)])
    PICTURE.save(tmp_path / "one.gif")
    np.testing.assert_array_equal(open_image(tmp_path / "x.gif"), open_image(tmp_path / "one.gif"))


def cut_off(path: Path) -> None:
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:400])


def floats(path: Path) -> None:
    Image.fromarray(np.zeros((2, 2), dtype=np.float32)).save(path, format="TIFF")


def wide_integers(path: Path) -> None:
    Image.fromarray(np.full((2, 2), 70000, dtype=np.int32)).save(path, format="TIFF")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (str, "not found; needed is an image file"),
        (Path.mkdir, "is a folder; needed is an image file"),
        (Path.touch, r"is empty \(0 bytes\)"),
        (lambda path: path.write_text("hello"), "not an image that can be read; needed is one of"),
        (cut_off, "damaged or cut off .* copy or export the file again"),
        (floats, r"image of floats \(mode F\)"),
        (wide_integers, "values from 70000 to 70000, beyond 16 bits"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(
    tmp_path: Path, make: Callable[[Path], object], text: str
) -> None:
    path = tmp_path / "part 7.png"
    make(path)
    with pytest.raises(DataError, match=rf"part 7\.png: .*{text}|part 7\.png: {text}"):
        open_image(path)


def test_too_many_pixels_are_refused_before_decoding(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "x.png")
    with pytest.raises(DataError, match=r"x\.png: 6 x 4 pixels are more than the limit of 23"):
        open_image(tmp_path / "x.png", max_pixels=23)
    assert open_image(tmp_path / "x.png", max_pixels=24).size == (6, 4)


def test_pillows_own_limit_neither_warns_nor_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    PICTURE.save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    assert open_image(tmp_path / "x.png").size == (6, 4)
    assert Image.MAX_IMAGE_PIXELS == 5


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_does_not_cost_the_image(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "x.jpg", exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x05\x01\x12")
    assert open_image(tmp_path / "x.jpg").size == (6, 4)
