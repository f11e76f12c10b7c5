"""Where an image is anomalous, as regions with figures: from a map to something to act on.

Free of torch, OpenCV and scipy: the runtime of exported models finds regions, too.
Shapes: H x W the image, K abnormality prompts, h x w patches, R runs.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faprompt.detection.contours import Point, next_edges, outline
from faprompt.detection.runs import Ints, Runs, find_runs, label_runs
from faprompt.errors import ConfigError

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """Connected pixels (8 neighbours) whose anomaly value is at or above the threshold."""

    polygon: list[Point]
    """Outer outline along the pixels' edges, closed: the last point is the first. Pixel (x, y) is
    the square from (x, y) to (x + 1, y + 1). Holes are left out here, but do not count in
    ``area``."""
    box: tuple[int, int, int, int]
    """x, y, width, height in pixels."""
    area: int
    """Pixels."""
    area_mm2: float | None
    """Square millimetres; None where the size of a pixel is not known."""
    peak: float
    """Largest anomaly value, in [0, 1]."""
    mean: float
    """Mean anomaly value, in [0, 1]."""
    prompts: tuple[tuple[int, float], ...] = ()
    """Abnormality prompt (0 to K - 1) and its share of the response, largest first; the shares add
    up to 1. Empty if the responses were not asked for."""

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {
            "polygon": [list(point) for point in self.polygon],
            "box": list(self.box),
            "area": self.area,
            "area_mm2": None if self.area_mm2 is None else round(self.area_mm2, 6),
            "peak": round(self.peak, 6),
            "mean": round(self.mean, 6),
            "prompts": [[index, round(share, 6)] for index, share in self.prompts],
        }


def find_regions(
    anomaly_map: Floats,
    threshold: float,
    *,
    min_area: int = 0,
    mm_per_pixel: float | None = None,
    responses: Floats | None = None,
) -> list[Region]:
    """Connected regions of a map at or above a threshold.

    Args:
        anomaly_map: (H, W), in [0, 1]; read in bands, so that it may lie in a file.
        threshold: Above 0, so that pixels that do not count (0) are never in a region.
        min_area: Smaller regions, in pixels, are left out.
        mm_per_pixel: Side of a pixel of this image in millimetres, on the part.
        responses: ``Prediction.responses`` (K, h, w): shares of the abnormality prompts per patch.

    Returns:
        Largest peak first; then the larger area, then raster order.

    Raises:
        ConfigError: a setting is out of range, or an array of another shape.

    Example:
        >>> values = np.array([[0, 0.9, 0], [0.6, 0, 0], [0, 0, 0.8]], np.float32)
        >>> [(r.box, r.area, round(r.peak, 2)) for r in find_regions(values, 0.5)]
        [((0, 0, 2, 2), 2, 0.9), ((2, 2, 1, 1), 1, 0.8)]
    """
    check_settings(threshold, min_area=min_area, mm_per_pixel=mm_per_pixel)
    _check_shapes(anomaly_map, responses)
    runs = find_runs(anomaly_map, threshold)
    label, count = label_runs(runs, anomaly_map.shape[1])
    if not count:
        return []
    table = _Table.of(runs, label, count)
    following = next_edges(runs)
    members = np.split(np.argsort(label, kind="stable"), np.cumsum(table.runs)[:-1])
    chosen = [i for i in table.order() if table.area[i] >= min_area]
    return [
        Region(
            polygon=outline(runs, following, int(members[i][0])),
            box=table.box(i),
            area=int(table.area[i]),
            area_mm2=None if mm_per_pixel is None else int(table.area[i]) * mm_per_pixel**2,
            peak=float(table.peak[i]),
            mean=float(table.total[i] / table.area[i]),
            prompts=_prompts(runs.select(members[i]), responses, anomaly_map.shape),
        )
        for i in chosen
    ]


def region_mask(anomaly_map: Floats, threshold: float, *, min_area: int = 0) -> NDArray[np.bool_]:
    """Pixels of the regions that :func:`find_regions` finds, (H, W); their holes are not in it.

    Raises:
        ConfigError: a setting is out of range, or the map of another shape.
    """
    check_settings(threshold, min_area=min_area, mm_per_pixel=None)
    _check_shapes(anomaly_map, None)
    runs = find_runs(anomaly_map, threshold)
    label, count = label_runs(runs, anomaly_map.shape[1])
    mask = np.zeros(anomaly_map.shape, dtype=np.bool_)
    if count:
        runs = runs.select(_Table.of(runs, label, count).area[label] >= min_area)
    for row, start, end in zip(runs.row, runs.start, runs.end, strict=True):
        mask[row, start:end] = True
    return mask


@dataclass(frozen=True, slots=True)
class _Table:
    """Figures of N regions, (N,) each."""

    runs: Ints
    area: Ints
    peak: Floats
    total: NDArray[np.float64]
    left: Ints
    top: Ints
    right: Ints
    bottom: Ints

    @classmethod
    def of(cls, runs: Runs, label: Ints, count: int) -> "_Table":
        area, total = np.zeros(count, np.int64), np.zeros(count)
        np.add.at(area, label, runs.end - runs.start)
        np.add.at(total, label, runs.total)
        peak = np.zeros(count, np.float32)
        np.maximum.at(peak, label, runs.peak)
        far = np.iinfo(np.int64).max
        left, top = np.full(count, far), np.full(count, far)
        right, bottom = np.zeros(count, np.int64), np.zeros(count, np.int64)
        np.minimum.at(left, label, runs.start)
        np.minimum.at(top, label, runs.row)
        np.maximum.at(right, label, runs.end)
        np.maximum.at(bottom, label, runs.row + 1)
        members = np.bincount(label, minlength=count)
        return cls(members, area, peak, total, left, top, right, bottom)

    def order(self) -> list[int]:
        """Largest peak first, then the larger area, then raster order."""
        found: list[int] = np.lexsort((-self.area, -self.peak)).tolist()
        return found

    def box(self, i: int) -> tuple[int, int, int, int]:
        left, top = int(self.left[i]), int(self.top[i])
        return left, top, int(self.right[i]) - left, int(self.bottom[i]) - top


def _prompts(
    runs: Runs, responses: Floats | None, shape: tuple[int, ...]
) -> tuple[tuple[int, float], ...]:
    """Mean response over the region, each patch weighted by how many of its pixels it holds."""
    if responses is None:
        return ()
    height, width = shape
    rows, columns = responses.shape[1:]
    # A pixel lies in the patch of its centre: patch c begins where first x + 0.5 >= c W / w.
    borders = np.ceil(np.arange(columns + 1) * (width / columns) - 0.5)
    inside = np.diff(
        borders.clip(runs.start[:, None], runs.end[:, None]), axis=1
    )  # (R, w): pixels of each run in each column of patches
    weights = np.zeros((rows, columns))
    line = ((runs.row + 0.5) * (rows / height)).astype(np.int64).clip(0, rows - 1)
    np.add.at(weights, line, inside)
    shares = (responses * weights).sum(axis=(1, 2)) / weights.sum()
    order = np.argsort(-shares, kind="stable")
    return tuple((int(i), float(shares[i])) for i in order)


def check_settings(threshold: float, *, min_area: int, mm_per_pixel: float | None) -> None:
    """Refuse settings of :func:`find_regions` that are out of range.

    Raises:
        ConfigError: one of them is.
    """
    if not (threshold > 0 and math.isfinite(threshold)):
        raise ConfigError(f"pixel threshold must be above 0, got {threshold}")
    if min_area < 0:
        raise ConfigError(f"smallest area must be at least 0 pixels, got {min_area}")
    if mm_per_pixel is not None and not (mm_per_pixel > 0 and math.isfinite(mm_per_pixel)):
        raise ConfigError(f"millimetres per pixel must be above 0, got {mm_per_pixel}")


def _check_shapes(anomaly_map: Floats, responses: Floats | None) -> None:
    if anomaly_map.ndim != 2 or not anomaly_map.size:
        raise ConfigError(f"anomaly map of shape {anomaly_map.shape}; needed is (H, W)")
    if responses is not None and responses.ndim != 3:
        raise ConfigError(f"responses of shape {responses.shape}; needed is (K, h, w)")
