"""Maps in files: bands, reductions, tiled TIFF."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from faprompt.detection import map_files
from faprompt.detection.map_files import FileMap, bands, peaks, shrunk, write_tiff
from faprompt.detection.overview import Overview
from faprompt.errors import OutputError

VALUES = np.random.default_rng(0).random((70, 45), dtype=np.float32)


def in_file(values: NDArray[np.float32]) -> NDArray[np.float32]:
    file_map = FileMap((values.shape[1], values.shape[0]))
    for start in range(0, len(values), 13):
        file_map.write(values[start : start + 13])
    return file_map.finish()


@pytest.mark.parametrize("keep", [np.array, in_file])
def test_bands_are_the_map(keep: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> None:
    found = list(bands(keep(VALUES), 16))
    assert [top for top, _ in found] == [0, 16, 32, 48, 64]
    np.testing.assert_array_equal(np.concatenate([band for _, band in found]), VALUES)


def test_a_map_in_a_file_cannot_be_written_to_and_is_read_again_and_again() -> None:
    values = in_file(VALUES)
    for _ in range(2):  # pages that were let go come back
        assert sum(float(band.sum()) for _, band in bands(values, 7)) == pytest.approx(VALUES.sum())
    with pytest.raises(ValueError, match="read-only"):
        values[0, 0] = 1


@given(
    width=st.integers(1, 45), height=st.integers(1, 70), y=st.integers(0, 69), x=st.integers(0, 44)
)
def test_no_hot_spot_gets_lost(width: int, height: int, y: int, x: int) -> None:
    values = np.zeros((70, 45), np.float32)
    values[y, x] = 1
    found = peaks(values, (width, height))
    assert found.shape == (height, width)
    assert found.max() == 1
    assert np.argwhere(found == 1)[0] == pytest.approx((y * height // 70, x * width // 45), abs=1)


def test_reducing_by_bands_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random((3000, 2000), dtype=np.float32)  # two bands
    blocks = values.reshape(30, 100, 20, 100).max(axis=(1, 3))
    np.testing.assert_array_equal(peaks(values, (20, 30)), blocks)
    whole = np.asarray(Image.fromarray(values).resize((20, 30), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(shrunk(values, (20, 30)), whole, atol=1e-5)
    assert shrunk(VALUES, (45, 70)) is VALUES


def test_tiff_has_the_values_in_16_bits(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((600, 300), dtype=np.float32)
    values[0, :2] = 0, 1
    write_tiff(tmp_path / "a.tif", in_file(values))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        page = file.pages.first
        assert page.is_tiled
        assert page.tile == (256, 256)
        assert page.dtype == np.dtype(np.uint16)
        stored = page.asarray()
    np.testing.assert_allclose(stored / 65535, values, atol=0.51 / 65535)
    assert (stored[0, 0], stored[0, 1]) == (0, 65535)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.tif"]


def test_a_tiff_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(map_files, "_tiles", full)
    with pytest.raises(OutputError, match=r"a\.tif: cannot be written \(No space left"):
        write_tiff(tmp_path / "a.tif", VALUES)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_with_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, _: bytes) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    with pytest.raises(OutputError, match=r"set TMPDIR to a folder with 1\.6 GB of space"):
        FileMap((20000, 20000)).write(VALUES)


@pytest.mark.parametrize("size", [(5000, 90), (70, 5001), (300, 200)])
def test_overview_averages_blocks(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))
    overview = Overview(size)
    for top in range(0, size[1], 37):
        overview.add(image.crop((0, top, size[0], min(size[1], top + 37))))
    np.testing.assert_array_equal(overview.picture(), image.reduce(overview.factor))
    assert overview.factor == -(-max(size) // 2048)
