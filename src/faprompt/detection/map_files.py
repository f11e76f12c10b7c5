"""Maps too large for memory: kept in an unnamed file, read in bands, written as tiled TIFF.

Shapes: H x W the image.
"""

import mmap
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faprompt.data.tiff import tifffile
from faprompt.errors import OutputError
from faprompt.files import replacing

TIFF_TILE = 256
FULL_SCALE = 65535
"""Value of a map's TIFF where the anomaly value is 1."""

Floats = NDArray[np.float32]
Size = tuple[int, int]


class FileMap:
    """A map that is written row by row into an unnamed temporary file."""

    def __init__(self, size: Size) -> None:
        """Begin an empty map of (width, height)."""
        self._size = size
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by finish or close)

    def write(self, rows: Floats) -> None:
        """Append rows (h, W).

        Raises:
            OutputError: the disk of the temporary folder is full.
        """
        try:
            self._file.write(np.ascontiguousarray(rows, dtype=np.float32).tobytes())
        except OSError as error:
            raise OutputError(
                f"{tempfile.gettempdir()}: cannot keep a map there ({error.strerror}); set TMPDIR "
                f"to a folder with {4 * self._size[0] * self._size[1] / 1e9:.1f} GB of space"
            ) from error

    def finish(self) -> Floats:
        """The map (H, W) as a read-only array that lies in the file; it goes with the array."""
        self._file.flush()
        width, height = self._size
        values: Floats = np.memmap(self._file, dtype=np.float32, mode="r", shape=(height, width))
        self._file.close()  # the array holds it on its own
        return values

    def close(self) -> None:
        """Give the file up."""
        self._file.close()


def bands(anomaly_map: Floats, lines: int) -> Iterator[tuple[int, Floats]]:
    """Read a map some lines at a time, each time with the first one's number.

    Pages of a map that lies in a file are let go when they have been used: else they would add up
    in memory until somebody else needs it.
    """
    mapping = getattr(anomaly_map, "_mmap", None)  # of numpy.memmap
    for top in range(0, len(anomaly_map), lines):
        band = anomaly_map[top : top + lines]
        yield top, band if mapping is None else np.array(band)
        if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapping.madvise(mmap.MADV_DONTNEED)


def peaks(anomaly_map: Floats, size: Size) -> Floats:
    """Reduce a map to (width, height), largest value of each block: no hot spot gets lost."""
    width, height = size
    rows, columns = anomaly_map.shape
    if (columns, rows) == size:
        return anomaly_map
    edges = np.arange(width) * columns // width
    found = np.zeros((height, width), dtype=np.float32)
    for top, band in bands(anomaly_map, max(1, (1 << 22) // columns)):
        narrow = np.maximum.reduceat(band, edges, axis=1)  # (h, width)
        places = (np.arange(top, top + len(band)) * height) // rows
        np.maximum.at(found, places, narrow)
    return found


def shrunk(anomaly_map: Floats, size: Size) -> Floats:
    """Resize a map to (width, height), bilinearly and antialiased; first its rows, in bands."""
    if anomaly_map.shape == (size[1], size[0]):
        return anomaly_map
    narrow = [
        Image.fromarray(band).resize((size[0], len(band)), Image.Resampling.BILINEAR)
        for _, band in bands(anomaly_map, max(1, (1 << 22) // anomaly_map.shape[1]))
    ]
    upright = Image.fromarray(np.concatenate([np.asarray(part) for part in narrow]))
    return np.asarray(upright.resize(size, Image.Resampling.BILINEAR)).clip(0, 1)


def write_tiff(path: Path, anomaly_map: Floats) -> None:
    """Write a map as a tiled (Big)TIFF of 16 bits: value = round(65535 * anomaly).

    Raises:
        ConfigError: the packages for it are not installed.
        OutputError: it cannot be written.
    """
    with replacing(path) as temporary:
        encode_tiff(temporary, anomaly_map)


def encode_tiff(file: Path, anomaly_map: Floats) -> None:
    """The same, with no care for what is half written.

    Raises:
        ConfigError: the packages for it are not installed.
    """
    bigtiff = 2 * anomaly_map.size > 1 << 31
    with tifffile().TiffWriter(file, bigtiff=bigtiff) as writer:
        writer.write(
            _tiles(anomaly_map),
            shape=anomaly_map.shape,
            dtype=np.uint16,
            photometric="minisblack",
            tile=(TIFF_TILE, TIFF_TILE),
            compression="zlib",
            predictor=True,
            metadata=None,
            maxworkers=1,
        )


def _tiles(anomaly_map: Floats) -> Iterator[NDArray[np.uint16]]:
    """Tiles in the order of the file; those at the borders are smaller."""
    for _, band in bands(anomaly_map, TIFF_TILE):
        values = np.rint(band.clip(0, 1) * FULL_SCALE).astype(np.uint16)
        for left in range(0, values.shape[1], TIFF_TILE):
            yield values[:, left : left + TIFF_TILE]
