"""Outlines of regions along the edges of their pixels.

Pixel (x, y) is the square from (x, y) to (x + 1, y + 1), so that a single pixel has an outline and
an outline encloses exactly its pixels. Shapes: R runs.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faprompt.detection.runs import Ints, Runs

NECK = 0.25
"""Where two pixels touch at a corner alone, the outline is cut this far before it, on both sides:
it would else meet itself there. No pixel's centre changes sides."""

Point = tuple[float, float]


def next_edges(runs: Runs) -> list[int]:
    """The upright edge that follows each upright edge on its outline.

    Edge 2 r is the left end of run r and leads up, edge 2 r + 1 the right end and leads down: the
    region lies to the right of its outline, which runs clockwise (holes counter-clockwise).

    Between two lines the ends of the runs above and below, sorted along the line, pair up: between
    the first and the second of a pair, one side belongs to a region and the other does not. Where a
    start and an end meet, the start comes first, which joins pixels that touch at a corner.
    """
    count = len(runs)
    edge = np.arange(2 * count)
    x = np.stack([runs.start, runs.end], axis=1).ravel()
    top = np.repeat(runs.row, 2)
    level = np.concatenate([top, top + 1])
    order = np.lexsort((np.tile(edge % 2, 2), np.tile(x, 2), level))
    edges = np.tile(edge, 2)[order]
    # At the top of its line the left edge arrives and the right one leaves, else the other way.
    arrives = np.concatenate([edge % 2 == 0, edge % 2 == 1])[order]
    pairs, first_arrives = edges.reshape(-1, 2), arrives[::2]
    source = np.where(first_arrives, pairs[:, 0], pairs[:, 1])
    target = np.where(first_arrives, pairs[:, 1], pairs[:, 0])
    following = np.empty(2 * count, dtype=np.int64)
    following[source] = target
    found: list[int] = following.tolist()
    return found


def outline(runs: Runs, following: Sequence[int], first_run: int) -> list[Point]:
    """The outer outline of the region whose first run in raster order is given.

    Args:
        runs: Of the whole mask.
        following: Result of :func:`next_edges`.
        first_run: Its left edge lies on the outer outline, never on a hole's.

    Returns:
        Corners (x, y), clockwise as seen, from the upper left of the first run on; the last is the
        first again. The outline never crosses or touches itself.
    """
    ring = [2 * first_run]
    while (edge := following[ring[-1]]) != ring[0]:
        ring.append(edge)
    edges = np.array(ring)
    run, right = edges // 2, edges % 2
    x = np.where(right == 1, runs.end[run], runs.start[run])
    tail, head = runs.row[run] + 1 - right, runs.row[run] + right
    corners = np.stack([np.stack([x, tail], axis=1), np.stack([x, head], axis=1)], axis=1)
    points = np.roll(corners.reshape(-1, 2), -1, axis=0)  # from the upper left corner on
    return _closed(_necks(_without_straight(points)))


def _without_straight(points: Ints) -> Ints:
    """Drop points that repeat the one before, then those between two others of one line."""
    points = points[(points != np.roll(points, 1, axis=0)).any(axis=1)]
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    corners: Ints = points[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]]
    return corners


def _necks(points: Ints) -> NDArray[np.float64]:
    """Cut the corners at points that the outline passes twice."""
    _, index, counts = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    twice = counts[index.ravel()] > 1
    exact = points.astype(np.float64)
    if not twice.any():
        return exact
    before, after = np.roll(exact, 1, axis=0) - exact, np.roll(exact, -1, axis=0) - exact
    entry, leave = exact + NECK * np.sign(before), exact + NECK * np.sign(after)
    cut = np.stack([np.where(twice[:, None], entry, exact), leave], axis=1)  # (P, 2, 2)
    keep = np.stack([np.ones_like(twice), twice], axis=1)
    return cut[keep]


def _closed(points: NDArray[np.float64]) -> list[Point]:
    found = [(_plain(x), _plain(y)) for x, y in points.tolist()]
    return [*found, found[0]]


def _plain(value: float) -> float:
    """Whole numbers as such, so that files stay short."""
    return int(value) if value.is_integer() else value
