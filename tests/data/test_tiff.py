"""TIFF by rows: the same pixels as ordinary reading, whatever the layout; refusals by name."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from faprompt.data import tiff
from faprompt.data.images import open_image
from faprompt.data.tiff import TiffRows, large_tiff
from faprompt.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
HEIGHT, WIDTH = 75, 53
DEEP = RNG.integers(0, 65536, (HEIGHT, WIDTH, 4), dtype=np.uint16)
PIXELS = (DEEP >> 8).astype(np.uint8)
SMOOTH = np.array(
    Image.fromarray(PIXELS[:6, :5, :3]).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
)

KINDS: dict[str, tuple[NDArray[Any], dict[str, Any]]] = {
    "grey": (PIXELS[..., 0], {"photometric": "minisblack"}),
    "white": (PIXELS[..., 0], {"photometric": "miniswhite"}),
    "grey16": (DEEP[..., 0], {"photometric": "minisblack"}),
    "rgb": (PIXELS[..., :3], {"photometric": "rgb"}),
    "rgba": (PIXELS, {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
    "rgb16": (DEEP[..., :3], {"photometric": "rgb"}),
    "planes": (
        np.moveaxis(PIXELS[..., :3], 2, 0),
        {"photometric": "rgb", "planarconfig": "separate"},
    ),
}
LAYOUTS: dict[str, dict[str, Any]] = {
    "one strip": {},
    "strips": {"rowsperstrip": 8},
    "tiles": {"tile": (32, 16)},
    "deflate": {"tile": (16, 48), "compression": "zlib", "predictor": True},
    "lzw strips": {"rowsperstrip": 10, "compression": "lzw"},
    "zstd": {"tile": (64, 64), "compression": "zstd"},
}


def write(
    path: Path, pixels: NDArray[Any], *, file: dict[str, Any] | None = None, **how: Any
) -> Path:
    with tifffile.TiffWriter(path, **(file or {})) as writer:
        writer.write(pixels, metadata=None, **how)
    return path


def check_rows(path: Path, expected: Image.Image, *, tolerance: int = 0) -> None:
    rows = TiffRows(path)
    assert rows.size == expected.size
    for top, bottom in (
        (0, 1),
        (0, expected.height),
        (7, 9),
        (15, 50),
        (expected.height - 3, expected.height),
    ):
        found = rows.read(top, bottom)
        assert found.mode == "RGB"
        wanted = np.asarray(expected)[top:bottom].astype(int)
        assert np.abs(np.asarray(found) - wanted).max() <= tolerance


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_are_what_ordinary_reading_gives(tmp_path: Path, kind: str, layout: str) -> None:
    pixels, how = KINDS[kind]
    path = write(tmp_path / "a.tif", pixels, **how, **LAYOUTS[layout])
    expected = open_image(path) if layout != "zstd" else as_seen(kind)
    check_rows(path, expected)


def as_seen(kind: str) -> Image.Image:
    """What a picture of a kind should look like, without any file."""
    if kind == "grey16":
        return Image.fromarray(((DEEP[..., 0].astype(int) + 128) // 257).astype(np.uint8)).convert(
            "RGB"
        )
    grey = {"grey": PIXELS[..., 0], "white": 255 - PIXELS[..., 0]}.get(kind)
    return Image.fromarray(PIXELS[..., :3] if grey is None else grey).convert("RGB")


@pytest.mark.parametrize("kind", KINDS)
def test_ordinary_reading_and_pixels_agree_on_what_is_seen(tmp_path: Path, kind: str) -> None:
    pixels, how = KINDS[kind]
    path = write(tmp_path / "a.tif", pixels, **how)
    np.testing.assert_array_equal(open_image(path), as_seen(kind))


@pytest.mark.parametrize(
    "file", [{"bigtiff": True}, {"byteorder": ">"}, {"bigtiff": True, "byteorder": ">"}]
)
@pytest.mark.parametrize("kind", ["rgb", "grey16", "rgb16"])
def test_big_files_and_both_byte_orders(tmp_path: Path, file: dict[str, Any], kind: str) -> None:
    pixels, how = KINDS[kind]
    for layout in ("strips", "deflate"):
        path = write(tmp_path / "a.tif", pixels, file=file, **how, **LAYOUTS[layout])
        check_rows(path, as_seen(kind))


@pytest.mark.parametrize("layout", ["strips", "tiles"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied(tmp_path: Path, orientation: int, layout: str) -> None:
    tags = [(274, "H", 1, orientation, True)]
    pixels, how = KINDS["rgb"]
    path = write(tmp_path / "a.tif", pixels, **how, **LAYOUTS[layout], extratags=tags)
    check_rows(path, open_image(path))


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg_inside(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(SMOOTH).convert(mode)
    picture.save(tmp_path / "a.tif", compression="jpeg", quality=95)  # in YCbCr
    check_rows(tmp_path / "a.tif", open_image(tmp_path / "a.tif"), tolerance=3)  # rounding differs
    check_rows(tmp_path / "a.tif", picture.convert("RGB"), tolerance=60)  # colour at half size
    how: dict[str, Any] = {"compression": "jpeg", "tile": (32, 32)}
    kind = "rgb" if mode == "RGB" else "minisblack"
    path = write(tmp_path / "b.tif", np.asarray(picture), photometric=kind, **how)
    check_rows(path, open_image(path), tolerance=3)


def test_the_first_of_several_pages_is_read(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(PIXELS[..., :3], photometric="rgb", metadata=None)
        writer.write(255 - PIXELS[:20, :20, :3], photometric="rgb", metadata=None)
    check_rows(tmp_path / "a.tif", as_seen("rgb"))


def test_tiles_left_out_are_black(tmp_path: Path) -> None:
    tiles = iter([PIXELS[:64, :64, :3][:48, :48], None])
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(
            tiles,
            shape=(48, 96, 3),
            dtype=np.uint8,
            tile=(48, 48),
            photometric="rgb",
            metadata=None,
        )
    found = np.asarray(TiffRows(tmp_path / "a.tif").read(0, 48))
    np.testing.assert_array_equal(found[:, :48], PIXELS[:48, :48, :3])
    assert not found[:, 48:].any()


def test_only_files_above_the_limit_are_read_by_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", PIXELS[..., :3], photometric="rgb")
    as_seen("rgb").save(tmp_path / "a.png")
    assert large_tiff(path, HEIGHT * WIDTH) is None
    assert isinstance(large_tiff(str(path), HEIGHT * WIDTH - 1), TiffRows)
    assert large_tiff(tmp_path / "a.png", 1) is None
    assert large_tiff(tmp_path / "none.tif", 1) is None


def test_a_plain_strip_of_any_size_is_read_row_by_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiff, "SEGMENT_BYTES", 1000)
    pixels, how = KINDS["rgb"]
    check_rows(write(tmp_path / "a.tif", pixels, **how), as_seen("rgb"))
    for layout, name in (("lzw strips", "strips of 53 x 10"), ("tiles", "tiles of 16 x 32")):
        path = write(tmp_path / "b.tif", pixels, **how, **LAYOUTS[layout])
        with pytest.raises(
            DataError, match=rf"b\.tif: its {name} pixels are too large .* save it as a"
        ):
            TiffRows(path)


def floats(path: Path) -> None:
    write(path, np.zeros((4, 4), np.float32))


def twelve_bits(path: Path) -> None:
    write(path, np.zeros((4, 4), np.uint16), bitspersample=12)


def cmyk(path: Path) -> None:
    Image.new("CMYK", (4, 4)).save(path)


def palette(path: Path) -> None:
    Image.new("P", (4, 4)).save(path)


def white_16_bit(path: Path) -> None:
    write(path, DEEP[..., 0], photometric="miniswhite")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (floats, "32-bit float32 TIFF; needed is 8 or 16 bits"),
        (twelve_bits, "12-bit uint16 TIFF; needed is 8 or 16 bits"),
        (cmyk, "8-bit TIFF of kind CMYK; needed is grey or RGB"),
        (palette, "8-bit TIFF of kind palette; needed is grey or RGB"),
        (white_16_bit, "16-bit TIFF of kind min-is-white"),
        (lambda path: path.write_bytes(b"II*\0" + b"x" * 40), "damaged, cut off or of an unknown"),
    ],
)
def test_other_kinds_are_refused_by_name(tmp_path: Path, make: Any, message: str) -> None:
    make(tmp_path / "part 7.tif")
    with pytest.raises(DataError, match=rf"part 7\.tif: {message}"):
        TiffRows(tmp_path / "part 7.tif")


@pytest.mark.parametrize("layout", ["strips", "deflate"])
def test_a_file_cut_off_is_refused_where_rows_are_missing(tmp_path: Path, layout: str) -> None:
    pixels, how = KINDS["rgb"]
    path = write(tmp_path / "a.tif", pixels, **how, **LAYOUTS[layout])
    path.write_bytes(path.read_bytes()[:-60])
    rows = TiffRows(path)
    np.testing.assert_array_equal(rows.read(0, 5), PIXELS[:5, :, :3])
    with pytest.raises(DataError, match=r"a\.tif: cut off: the file is shorter than"):
        rows.read(HEIGHT - 5, HEIGHT)


def test_without_the_packages_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.tif", PIXELS[..., :3], photometric="rgb")
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(ConfigError, match=r"pip install 'faprompt\[large\]'"):
        large_tiff(path, 1)
    assert large_tiff(path, 10**6) is None  # ordinary files need nothing
