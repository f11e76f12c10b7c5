"""Pixel AUROC, AP, F1-max and AUPRO of any number of maps in bounded memory.

Three counts per bin suffice for all four: pixels, defect pixels, and defect pixels weighted by
1 / (area of their region). Values that share a bin without being equal leave the metrics uncertain;
the limits of that error are computed, and a second pass can split the bins that matter.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from faprompt.errors import MetricError
from faprompt.metrics.groups import Groups, metrics_of, worst_groups
from faprompt.metrics.histogram import VALUES_PER_BIN, Histogram, SplitBins, float_keys
from faprompt.metrics.overlap import region_weights

FPR_LIMIT = 0.3
"""AUPRO is integrated up to here (METHOD section 7)."""
TOLERANCE = 1e-4
"""Error limit above which a second pass is worth its time."""
MAX_SPLIT_BINS = 16_384
"""Bins split at most: 100 MB of counts."""
MAX_PASSES = 3

MapAndMask = tuple[NDArray[np.float32], NDArray[np.bool_]]


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelResult:
    """Pixel metrics as fractions; None where undefined."""

    pixel_auroc: float | None = None
    pixel_ap: float | None = None
    pixel_f1max: float | None = None
    pixel_aupro: float | None = None
    undefined: dict[str, str] = field(default_factory=dict)
    """Metric (``pixel_auroc``, ...) to the reason why it is None."""
    error_limits: dict[str, float] = field(default_factory=dict)
    """Metric to a rigorous limit of its absolute error."""
    maps: int = 0
    regions: int = 0
    defect_pixels: int = 0

    @property
    def largest_error_limit(self) -> float:
        """The largest of the error limits; 0 if nothing is defined."""
        return max(self.error_limits.values(), default=0.0)


class PixelMetrics:
    """Accumulates maps and masks; memory depends on the range of values, not on their number.

    Example:
        >>> metrics = PixelMetrics()
        >>> metrics.update(np.float32([[0.1, 0.9]]), np.array([[False, True]]))
        >>> metrics.compute().pixel_aupro
        1.0
    """

    def __init__(self, fpr_limit: float = FPR_LIMIT) -> None:
        """Start with no maps.

        Args:
            fpr_limit: AUPRO is integrated up to this false positive rate, in (0, 1].

        Raises:
            MetricError: ``fpr_limit`` is out of range.
        """
        if not 0 < fpr_limit <= 1:
            raise MetricError(f"fpr_limit is {fpr_limit}; needed is a rate above 0 and up to 1")
        self.fpr_limit = fpr_limit
        self._histogram = Histogram()
        self._split = SplitBins(np.zeros(0, dtype=np.int64))
        self._maps = self._regions = 0

    def update(self, anomaly_map: NDArray[np.float32], gt_mask: NDArray[np.bool_]) -> None:
        """Count one map; an image whose mask is unknown must be left out.

        Args:
            anomaly_map: Higher is more anomalous, (H, W); finite, compared as float32.
            gt_mask: True where the defect is, (H, W).

        Raises:
            MetricError: shapes or types do not fit, or a value is not finite; nothing was counted.
        """
        values = np.asarray(anomaly_map, dtype=np.float32)
        _check(values, gt_mask)
        weights, regions = region_weights(gt_mask)
        keys, positive = float_keys(values.ravel()), gt_mask.ravel()
        self._histogram.add(keys, positive, weights)
        if self._split.bins.size:
            self._split.add(keys, positive, weights)
        self._maps += 1
        self._regions += regions

    def compute(self) -> PixelResult:
        """Return the metrics of all maps so far, with limits of their error."""
        metrics = metrics_of(self.fpr_limit)
        if reason := self._why_undefined():
            return PixelResult(
                undefined={f"pixel_{name}": reason for name in metrics},
                maps=self._maps,
                regions=self._regions,
                defect_pixels=self._defect_pixels,
            )
        groups = self._groups()
        found = {name: metric(groups) for name, metric in metrics.items()}
        return PixelResult(
            pixel_auroc=found["auroc"].value,
            pixel_ap=found["ap"].value,
            pixel_f1max=found["f1max"].value,
            pixel_aupro=found["aupro"].value,
            error_limits={f"pixel_{name}": estimate.limit for name, estimate in found.items()},
            maps=self._maps,
            regions=self._regions,
            defect_pixels=self._defect_pixels,
        )

    @property
    def _defect_pixels(self) -> int:
        return int(self._histogram.counts.positives.sum())

    def refined(self, tolerance: float = TOLERANCE) -> "PixelMetrics":
        """Return an empty accumulator for another pass over the same maps.

        It splits the bins that make this one uncertain down to single float values, as many as
        are needed for half of ``tolerance``, and at most ``MAX_SPLIT_BINS``.
        """
        successor = PixelMetrics(self.fpr_limit)
        if not self._why_undefined():
            groups = self._groups()
            chosen = {
                name: worst_groups(metric(groups), tolerance / 2, additive=name != "f1max")
                for name, metric in metrics_of(self.fpr_limit).items()
            }
            bins = [groups.bins[index] for index in _interleaved(list(chosen.values()))]
            split = [*self._split.bins, *dict.fromkeys(bins)][:MAX_SPLIT_BINS]
            successor._split = SplitBins(np.array(split, dtype=np.int64))
        return successor

    def _why_undefined(self) -> str | None:
        pixels = int(self._histogram.counts.pixels.sum())
        positives = self._defect_pixels
        if not pixels:
            return "no image has a known mask"
        if not positives:
            return "no defect pixels: every mask is empty"
        return "no normal pixels: the masks cover everything" if positives == pixels else None

    def _groups(self) -> Groups:
        """Bins and split values that occur, highest first."""
        coarse, fine = self._histogram.counts, self._split.counts
        used = coarse.pixels > 0
        used[self._histogram.slots_of(self._split.bins)] = False
        whole, single = np.flatnonzero(used), np.flatnonzero(fine.pixels)
        split_bins = self._split.bins[single // VALUES_PER_BIN]
        bins = np.concatenate([self._histogram.bins_of(whole), split_bins])
        order = np.lexsort((np.concatenate([np.zeros_like(whole), single]), bins))[::-1]
        pixels = np.concatenate([coarse.pixels[whole], fine.pixels[single]])[order]
        positives = np.concatenate([coarse.positives[whole], fine.positives[single]])[order]
        overlap = np.concatenate([coarse.overlap[whole], fine.overlap[single]])[order]
        tied = np.concatenate([~self._histogram.mixed[whole], np.ones(single.size, dtype=bool)])
        return Groups(
            negatives=(pixels - positives).astype(np.float64),
            positives=positives.astype(np.float64),
            overlap=overlap / self._regions,
            tied=tied[order],
            bins=bins[order],
        )


def pixel_metrics(
    maps: Callable[[], Iterable[MapAndMask]],
    fpr_limit: float = FPR_LIMIT,
    tolerance: float = TOLERANCE,
) -> PixelResult:
    """Compute the metrics in one pass, or in more where ties within bins matter.

    Args:
        maps: Called once per pass; gives maps and masks as ``PixelMetrics.update`` takes them.
        fpr_limit: See ``PixelMetrics``.
        tolerance: Largest error limit that is left without another pass.

    Raises:
        MetricError: as ``PixelMetrics.update``.
    """
    metrics = PixelMetrics(fpr_limit)
    for number in range(MAX_PASSES):
        metrics = metrics.refined(tolerance) if number else metrics
        for anomaly_map, gt_mask in maps():
            metrics.update(anomaly_map, gt_mask)
        result = metrics.compute()
        if result.largest_error_limit <= tolerance:
            break
    return result


def _check(values: NDArray[np.float32], gt_mask: NDArray[np.bool_]) -> None:
    if values.ndim != 2 or values.shape != gt_mask.shape or not values.size:
        raise MetricError(
            f"anomaly map has shape {values.shape} and mask {gt_mask.shape}; needed is the same "
            "(H, W) for both"
        )
    if gt_mask.dtype != np.bool_:
        raise MetricError(f"mask is {gt_mask.dtype}; needed is bool, True where the defect is")
    if not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        raise MetricError(f"anomaly map has {count} values that are not finite")


def _interleaved(orders: list[NDArray[np.intp]]) -> list[int]:
    """Take the worst of every order, then the second worst, and so on."""
    longest = max((order.size for order in orders), default=0)
    orders = [order[:MAX_SPLIT_BINS] for order in orders]
    return [int(order[i]) for i in range(longest) for order in orders if i < order.size]
