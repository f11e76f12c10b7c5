"""Image files made to hurt: bombs, cuts, flipped bits, absurd sizes, numbers that are none."""

import io
import struct
import subprocess
import sys
import tempfile
import warnings
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from faprompt.data.images import image_size, open_image
from faprompt.data.inputs import to_image
from faprompt.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM", "JPEG2000")
LONGEST = {"WEBP": 16_383, "JPEG": 65_500, "GIF": 65_535}
"""Sides that formats allow; the others take 100,000."""
ROOMY = 200 * 2**20
"""Bytes of memory that reading any bomb may take."""


@cache
def good(kind: str, size: tuple[int, int] = (20, 12)) -> bytes:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, format=kind)
    return buffer.getvalue()


def attempt(content: bytes) -> Image.Image | str:
    """Read bytes as a file: the image, or what is said of it."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own about damage are not what is asked
        path = Path(folder) / "part 7.png"
        path.write_bytes(content)
        try:
            return open_image(path)
        except DataError as error:
            return str(error)


def fine(found: Image.Image | str) -> bool:
    """An RGB image, or one error that names the file once."""
    if isinstance(found, str):
        return found.count("part 7.png: ") == 1
    return found.mode == "RGB"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_cut_off_anywhere_is_refused_by_name(kind: str) -> None:
    """But for the last bytes, which may hold no pixels, or a decoder that fills in the rest."""
    content = good(kind)
    for length in range(1, len(content), max(1, len(content) // 40)):
        found = attempt(content[:length])
        assert fine(found)
        assert isinstance(found, str) or (found.size == (20, 12) and length > len(content) // 4)


@settings(max_examples=200)
@given(
    kind=st.sampled_from(FORMATS),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1),
    head=st.booleans(),
)
def test_damaged_bytes_are_an_image_or_one_error(
    kind: str, flips: list[tuple[float, int]], head: bool
) -> None:
    content = bytearray(good(kind))
    for place, value in flips:
        content[int(place * (min(64, len(content)) if head else len(content)))] = value
    assert fine(attempt(bytes(content)))


@settings(max_examples=100)
@given(st.binary(max_size=200), st.sampled_from([b"", b"P5 3 3 255\n", b"P1\n", b"GIF89a", b"BM"]))
def test_any_bytes_are_an_image_or_one_error(content: bytes, start: bytes) -> None:
    assert fine(attempt(start + content))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("tall", [True, False])
def test_absurd_shapes_are_images(kind: str, tall: bool, tmp_path: Path) -> None:
    side = LONGEST.get(kind, 100_000)
    for size in ((1, 1), (1, side) if tall else (side, 1)):
        (tmp_path / "x").write_bytes(good(kind, size))
        assert open_image(tmp_path / "x").size == image_size(tmp_path / "x") == size


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, *more: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    rows = zlib.compress(bytes(1 + 3 * min(width, 9)) * min(height, 9))
    return (
        b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def tiff(width: int, height: int) -> bytes:
    tags = (
        (256, width),
        (257, height),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 8),
        (278, height),
        (279, 8),
    )
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", len(tags)) + rows + bytes(12)


HUGE = 2**31 - 1
TEXT = b"note\x00\x00" + zlib.compress(bytes(300 * 2**20), 9)
INTERNATIONAL = b"note\x00\x01\x00\x00\x00" + zlib.compress(bytes(300 * 2**20), 9)
GIF = struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0)
FRAME = b"," + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0) + b"\x02\x02L\x01\x00;"
BMP = struct.pack("<IHHI", 54, 0, 0, 54)
BMP_INFO = struct.pack("<IiiHHIIiiII", 40, HUGE, HUGE, 1, 24, 0, 0, 0, 0, 0, 0)
BOMBS = {
    "png": png(HUGE, HUGE),
    "gif": b"GIF89a" + GIF + FRAME,
    "bmp": b"BM" + BMP + BMP_INFO,
    "tif": tiff(HUGE, 3),
    "ppm": b"P6 99999999 99999999 255\n",
    "ztxt": png(1, 1, chunk(b"zTXt", TEXT)),
    "itxt": png(1, 1, chunk(b"iTXt", INTERNATIONAL)),
    "iccp": png(1, 1, chunk(b"iCCP", TEXT)),
}

READER = """
import resource, sys
from pathlib import Path
from faprompt.data.images import open_image
from faprompt.errors import DataError
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + int(sys.argv[2]),) * 2)
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        print(path.stem, open_image(path).size)
    except DataError as error:
        print(path.stem, str(error).removeprefix(f"{path}: "))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_bombs_are_refused_in_little_memory(tmp_path: Path) -> None:
    for name, content in BOMBS.items():
        assert len(content) < 2**20
        (tmp_path / f"{name}.png").write_bytes(content)
    command = [sys.executable, "-c", READER, str(tmp_path), str(ROOMY)]
    environment = {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": ":".join(sys.path)}
    found = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env=environment
    )
    assert found.returncode == 0, found.stderr
    said = dict(line.split(" ", 1) for line in found.stdout.splitlines())
    assert said.keys() == BOMBS.keys()
    for name in ("png", "gif", "bmp", "tif", "ppm"):
        assert "pixels are more than the limit of 178956970" in said[name], said[name]
    for name in ("ztxt", "itxt", "iccp"):
        assert said[name] == "(1, 1)" or said[name].startswith("damaged or cut off"), said[name]
        assert "MemoryError" not in said[name]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (np.full((2, 2), np.inf), "values from inf to inf; floats must lie in"),
        (np.full((2, 2, 3), -np.inf, np.float16), "values from -inf to -inf"),
        (np.zeros((2, 2), complex), "complex128 has no known range"),
        (np.array([[None]]), "object has no known range"),
        (np.zeros((2, 2), [("x", int)]), "has no known range"),
        (np.float32(0.5) * np.ones(()), "is not an image; needed is a path"),
        (torch.full((2, 2), float("nan")), "values from nan to nan"),
        (torch.full((3, 2, 2), float("inf"), dtype=torch.bfloat16), "values from inf to inf"),
        (torch.zeros(2, 2, dtype=torch.complex64), "has no known range"),
        (torch.zeros(3, 2, 2, device="meta"), r"tensor \(3, 2, 2\) .* cannot be read"),
        (torch.zeros(2, 2).to_sparse(), r"tensor \(2, 2\) .* cannot be read"),
    ],
    ids=str,
)
def test_numbers_that_are_no_picture_are_refused(given: Any, text: str) -> None:
    with pytest.raises(DataError, match=text):
        to_image(given)


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 5), max_size=5),
    st.sampled_from(["u1", "u2", ">u2", "i4", "f2", "f4", "f8", "?", "c8", "O", "S3", "M8[s]"]),
    st.sampled_from([0, 0.5, 1, float("nan"), float("inf"), -1, 3e38]),
)
def test_any_array_is_an_image_or_one_error(shape: list[int], dtype: str, value: float) -> None:
    array = np.zeros(shape, dtype)
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            array[...] = value
    try:
        image = to_image(array)
    except DataError:
        return
    assert image.mode == "RGB"
    assert (image.height, image.width) == array.shape[:2]
