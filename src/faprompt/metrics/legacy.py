"""AUPRO as published figures have it: 200 thresholds, FPR rescaled. Shapes: T thresholds.

Source: METHOD section 8.8, the metric of the released code, kept with its bias so that figures can
be laid beside published ones. The exact one is in :mod:`faprompt.metrics.pixel`.
"""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from faprompt.errors import MetricError
from faprompt.metrics.overlap import region_weights
from faprompt.metrics.pixel import FPR_LIMIT, MapAndMask

STEPS = 200


def legacy_aupro(
    maps: Callable[[], Iterable[MapAndMask]], fpr_limit: float = FPR_LIMIT, steps: int = STEPS
) -> float:
    """AUPRO ``legacy-200``, in two passes and bounded memory.

    Thresholds run from the smallest to below the largest value in ``steps`` equal steps; a pixel
    is found if it lies above. Points with a false positive rate strictly below ``fpr_limit``
    stay; their rates are stretched to [0, 1], and the trapezoid rule gives the area.

    Args:
        maps: Called twice; gives maps (H, W) and masks as ``PixelMetrics.update`` takes them.
        fpr_limit: See above.
        steps: See above.

    Raises:
        MetricError: there are no defect pixels, no normal pixels, or too few points to stretch.
    """
    thresholds = _thresholds(maps, steps)
    found = np.zeros(thresholds.size + 1)  # normal pixels above exactly so many thresholds
    covered = np.zeros(thresholds.size + 1)
    regions = 0
    for values, mask in maps():
        above = np.searchsorted(thresholds, values.ravel(), side="left")
        positive = mask.ravel()
        weights, count = region_weights(mask)
        found += np.bincount(above[~positive], minlength=found.size)
        covered += np.bincount(above[positive], weights, minlength=found.size)
        regions += count
    if not regions or not found.sum():
        raise MetricError(f"no {'normal' if regions else 'defect'} pixels among known masks")
    return _area(_above(found) / found.sum(), _above(covered) / regions, fpr_limit)


def _thresholds(
    maps: Callable[[], Iterable[MapAndMask]], steps: int
) -> NDArray[np.float32] | NDArray[np.float64]:
    low, high = np.inf, -np.inf
    for values, _ in maps():
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    if not low < high:
        raise MetricError("the maps hold fewer than two different values; there is no threshold")
    return np.arange(low, high, (high - low) / steps)


def _above(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """What lies above each threshold: the sum of all bins after it, (T,)."""
    return counts[::-1].cumsum()[::-1][1:]


def _area(rate: NDArray[np.float64], height: NDArray[np.float64], limit: float) -> float:
    kept = rate < limit
    if not kept.any() or rate[kept].max() == rate[kept].min():
        raise MetricError(f"fewer than two thresholds have different rates below {limit}")
    rate, height = rate[kept], height[kept]
    stretched = (rate - rate.min()) / (rate.max() - rate.min())
    # both fall with the threshold, so that widths are negative from left to right
    return float(-(np.diff(stretched) * (height[1:] + height[:-1]) / 2).sum())
