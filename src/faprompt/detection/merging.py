"""From the maps of windows to one map without seams, in memory that no image's height changes.

Shapes: W x H the image, T window side, K abnormality prompts, h x w patches of the image and
G x G of a window.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from faprompt.detection.tiling import Axis, Plan

Floats = NDArray[np.float32]


class Merger:
    """Adds the maps of windows up; memory holds one row of windows at a time.

    Example:
        >>> merged = np.zeros((1, 6), np.float32)
        >>> plan = Plan(Axis((0, 2), 4, 6), Axis((0,), 1, 1))
        >>> def write(top: int, rows: Floats) -> None:
        ...     merged[top : top + len(rows)] = rows
        >>> merger = Merger(plan, write)
        >>> merger.add(0, np.zeros((1, 4), np.float32))
        >>> merger.add(1, np.ones((1, 4), np.float32))
        >>> merger.finish()
        >>> merged.tolist()
        [[0.0, 0.0, 0.25, 0.75, 1.0, 1.0]]
    """

    def __init__(self, plan: Plan, write: Callable[[int, Floats], None]) -> None:
        self.plan = plan
        self.write = write
        """Gets the first row and finished rows (rows, W) in [0, 1], from top to bottom."""
        self._row = 0
        self._band = np.zeros((plan.rows.side, plan.columns.length), dtype=np.float32)

    def add(self, index: int, values: Floats) -> None:
        """Take the map (T, T) of a window; indices ascend, and those left out count as zero."""
        row, column = self.plan.place(index)
        while self._row < row:
            self._finish_row()
        left, _, right, _ = self.plan.box(index)
        weight = self.plan.rows.weights[row][:, None] * self.plan.columns.weights[column]
        self._band[:, left:right] += weight * values  # (T, T)

    def finish(self) -> None:
        """Write what is left."""
        while self._row < len(self.plan.rows.starts):
            self._finish_row()

    def _finish_row(self) -> None:
        tops, height = self.plan.rows.starts, self.plan.rows.side
        last = self._row == len(tops) - 1
        finished = height if last else tops[self._row + 1] - tops[self._row]
        self.write(tops[self._row], self._band[:finished].clip(0, 1))
        if not last:  # what the next row of windows adds to moves up
            self._band[: height - finished] = self._band[finished:].copy()
            self._band[height - finished :] = 0
        self._row += 1


class ResponseMerger:
    """Adds up what windows say of the abnormality prompts, on one grid of patches (K, h, w).

    A patch of the image is about as large as one of a window; what it gets of a window is the
    window's patch at its centre, counted as the window counts at that pixel.
    """

    def __init__(self, plan: Plan, prompts: int, grid: int) -> None:
        """Begin with nothing.

        Args:
            plan: The windows.
            prompts: K.
            grid: G.
        """
        self.plan, self.grid = plan, grid
        self._rows, self._columns = _centres(plan.rows, grid), _centres(plan.columns, grid)
        shape = (prompts, len(self._rows), len(self._columns))
        self._total = np.zeros(shape, dtype=np.float32)

    def add(self, index: int, responses: Floats) -> None:
        """Take the responses (K, G, G) of a window."""
        row, column = self.plan.place(index)
        y, of_y, weight_y = self._inside(self.plan.rows, row, self._rows)
        x, of_x, weight_x = self._inside(self.plan.columns, column, self._columns)
        part = responses[:, of_y[:, None], of_x]  # (K, y, x)
        self._total[:, y, x] += part * (weight_y[:, None] * weight_x)

    def merged(self) -> Floats:
        """(K, h, w), adding up to one over K; all equal where no window was looked at."""
        sums = self._total.sum(axis=0)
        shares = np.full_like(self._total, 1 / len(self._total))
        np.divide(self._total, sums, out=shares, where=sums > 0)
        return shares

    def _inside(
        self, axis: Axis, number: int, centres: NDArray[np.intp]
    ) -> tuple[slice, NDArray[np.intp], Floats]:
        """Patches of the image in a window, the window's patch at each, and what it counts."""
        start = axis.starts[number]
        begin, end = np.searchsorted(centres, (start, start + axis.side))
        pixels = centres[begin:end] - start
        return slice(begin, end), pixels * self.grid // axis.side, axis.weights[number][pixels]


def _centres(axis: Axis, grid: int) -> NDArray[np.intp]:
    """The pixel at the centre of each of the image's patches along one direction."""
    patches = max(1, round(axis.length * grid / axis.side))
    return ((np.arange(patches) + 0.5) * (axis.length / patches)).astype(np.intp)
