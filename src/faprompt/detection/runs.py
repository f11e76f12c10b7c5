"""Connected regions of a mask as runs of pixels along its rows, with numpy alone.

A run is a maximal row of pixels [start, end) of one line. There are few of them even in large maps,
so that everything after :func:`find_runs` costs their number, not that of the pixels.

Shapes: H x W pixels, R runs, N regions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faprompt.detection.map_files import bands

Ints = NDArray[np.int64]
BAND_PIXELS = 1 << 22
"""Pixels looked at at once: maps that lie in a file are never wholly in memory."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs in raster order, with what was found in their pixels."""

    row: Ints
    """(R,)."""
    start: Ints
    """(R,), first pixel."""
    end: Ints
    """(R,), behind the last pixel."""
    peak: NDArray[np.float32]
    """(R,), largest value."""
    total: NDArray[np.float64]
    """(R,), sum of the values."""

    def __len__(self) -> int:
        return len(self.row)

    def select(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> "Runs":
        """Some of the runs."""
        return Runs(
            self.row[chosen],
            self.start[chosen],
            self.end[chosen],
            self.peak[chosen],
            self.total[chosen],
        )


def find_runs(values: NDArray[np.float32], threshold: float) -> Runs:
    """Runs of the pixels whose value is at or above a threshold.

    Args:
        values: (H, W); read in bands of lines.
        threshold: Compared exactly, though the values are of single precision.
    """
    limit = _float32_at_least(threshold)
    lines = max(1, BAND_PIXELS // max(1, values.shape[1]))
    found = [_runs_of_band(band, limit, y) for y, band in bands(values, lines)]
    return Runs(
        row=np.concatenate([band.row for band in found]),
        start=np.concatenate([band.start for band in found]),
        end=np.concatenate([band.end for band in found]),
        peak=np.concatenate([band.peak for band in found]),
        total=np.concatenate([band.total for band in found]),
    )


def label_runs(runs: Runs, width: int) -> tuple[Ints, int]:
    """Region (R,) of each run, 0 to N - 1 in raster order of their first pixels, and N.

    Regions are 8-connected, as everywhere here (METHOD section 7): two runs of neighbouring lines
    belong together when they share a column or touch at a corner.
    """
    upper, lower = _touching(runs, width + 2)
    parent = np.arange(len(runs))
    while True:
        first, second = parent[upper], parent[lower]
        if np.array_equal(first, second):
            break
        np.minimum.at(parent, np.maximum(first, second), np.minimum(first, second))
        while not np.array_equal(parent, shorter := parent[parent]):
            parent = shorter
    roots, region = np.unique(parent, return_inverse=True)
    return region.astype(np.int64), len(roots)


def _float32_at_least(threshold: float) -> np.float32:
    limit = np.float32(threshold)
    return limit if float(limit) >= threshold else np.nextafter(limit, np.float32(np.inf))


def _runs_of_band(band: NDArray[np.float32], limit: np.float32, first_row: int) -> Runs:
    """Runs of some lines of the map."""
    height, width = band.shape
    padded = np.zeros((height, width + 2), dtype=np.int8)  # a run never goes on in the next line
    padded[:, 1:-1] = band >= limit
    steps = np.diff(padded.ravel())
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)  # in the padded band
    row, start = np.divmod(starts, width + 2)
    end = ends - row * (width + 2)
    if not len(row):
        return Runs(row, start, end, np.zeros(0, np.float32), np.zeros(0))
    pixels = band[padded[:, 1:-1].view(np.bool_)]  # of all runs, one after the other
    offsets = np.concatenate([[0], np.cumsum(end - start)[:-1]])
    peak = np.maximum.reduceat(pixels, offsets)
    total = np.add.reduceat(pixels.astype(np.float64), offsets)
    return Runs(row + first_row, start, end, peak, total)


def _touching(runs: Runs, stride: int) -> tuple[Ints, Ints]:
    """Pairs of runs of neighbouring lines that touch, upper and lower one."""
    above = (runs.row - 1) * stride
    first = np.searchsorted(runs.row * stride + runs.end, above + runs.start, side="left")
    last = np.searchsorted(runs.row * stride + runs.start, above + runs.end, side="right")
    counts = np.maximum(last - first, 0)
    lower = np.repeat(np.arange(len(runs)), counts)
    position = np.arange(len(lower)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(first, counts) + position, lower
