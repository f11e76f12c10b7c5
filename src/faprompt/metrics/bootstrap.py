"""Bootstrap over images: all metrics of many resamples, as weighted sums.

A resample is a count per image. Image metrics weigh the sorted scores; pixel metrics weigh one
histogram per image, so that no map is read again.
Shapes: R resamples, N images, B bins, G groups (values or bins, highest first).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faprompt.metrics.groups import Groups, aupro_of, auroc_of
from faprompt.metrics.overlap import region_weights
from faprompt.metrics.pixel import FPR_LIMIT, MapAndMask

RESAMPLES = 1000
NORMAL_EDGES = 640
"""Bins cut by normal pixels; four fifths of them in the upper 30 %, where AUPRO is made."""
DEFECT_EDGES = 256
"""Bins cut by defect pixels."""
SAMPLED = 2_000_000
"""Pixels at most that decide where the bins are cut."""
_BLOCK = 100  # resamples at once: 100 x 1000 groups of float64 are small

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelBins:
    """One histogram per image whose mask is known, bins in ascending order."""

    edges: Floats
    """Inner edges, (B - 1,); a value equal to an edge belongs above it."""
    negatives: NDArray[np.int32]
    """Normal pixels, (N, B)."""
    positives: NDArray[np.int32]
    """Defect pixels, (N, B)."""
    overlap: NDArray[np.float32]
    """Defect pixels, each weighing 1 / (area of its region), (N, B)."""
    regions: NDArray[np.int32]
    """Regions, (N,)."""

    def error_limits(self, fpr_limit: float = FPR_LIMIT) -> dict[str, float]:
        """How far binning may move a metric: rigorous, for the data as they are."""
        groups = Groups(
            negatives=self.negatives.sum(axis=0)[::-1].astype(np.float64),
            positives=self.positives.sum(axis=0)[::-1].astype(np.float64),
            overlap=self.overlap.sum(axis=0, dtype=np.float64)[::-1] / self.regions.sum(),
            tied=np.zeros(self.negatives.shape[1], dtype=np.bool_),
            bins=np.arange(self.negatives.shape[1]),
        )
        return {
            "pixel_auroc": auroc_of(groups).limit,
            "pixel_aupro": aupro_of(groups, fpr_limit).limit,
        }


def bin_maps(maps: Callable[[], Iterable[MapAndMask]], number: int) -> PixelBins:
    """Count the pixels of maps into bins that follow the values' own distribution.

    Args:
        maps: Called twice; gives maps (H, W) and masks.
        number: N, how many maps there are.
    """
    edges = _edges(maps, number)
    bins = edges.size + 1
    negatives = np.zeros((number, bins), dtype=np.int32)
    positives = np.zeros((number, bins), dtype=np.int32)
    overlap = np.zeros((number, bins), dtype=np.float32)
    regions = np.zeros(number, dtype=np.int32)
    for row, (values, mask) in enumerate(maps()):
        place = np.searchsorted(edges, values.ravel().astype(np.float64), side="right")
        positive = mask.ravel()
        negatives[row] = np.bincount(place[~positive], minlength=bins)
        if positive.any():
            weights, regions[row] = region_weights(mask)
            positives[row] = np.bincount(place[positive], minlength=bins)
            overlap[row] = np.bincount(place[positive], weights, minlength=bins)
    return PixelBins(
        edges=edges, negatives=negatives, positives=positives, overlap=overlap, regions=regions
    )


def _edges(maps: Callable[[], Iterable[MapAndMask]], number: int) -> Floats:
    normal, defect = [], []
    for values, mask in maps():
        step = max(1, values.size * number // SAMPLED)
        normal.append(values[~mask][::step])
        defect.append(values[mask][:: max(1, step // 8)])  # few, and each weighs more
    upper = NORMAL_EDGES * 4 // 5
    ranks = np.concatenate(
        [
            np.linspace(0, 1 - FPR_LIMIT, NORMAL_EDGES - upper, endpoint=False)[1:],
            np.linspace(1 - FPR_LIMIT, 1, upper),
        ]
    )
    cuts = [np.zeros(0)]
    for found, quantiles in ((normal, ranks), (defect, np.linspace(0, 1, DEFECT_EDGES))):
        values = np.concatenate(found) if found else np.zeros(0, dtype=np.float32)
        if values.size:
            cuts.append(np.quantile(values.astype(np.float64), quantiles))
    return np.unique(np.concatenate(cuts))


def resample_counts(labels: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """Draw images with replacement, normal and anomalous ones apart, so that both stay as many.

    Args:
        labels: 0 normal, 1 anomalous, (N,).
        resamples: R.
        seed: The same seed and labels give the same resamples: what pairs methods.

    Returns:
        How often each image was drawn, (R, N).

    Example:
        >>> resample_counts([0, 0, 1], resamples=2).sum(axis=1)
        array([3., 3.])
    """
    truth = np.asarray(labels)
    generator = np.random.default_rng(seed)
    counts = np.zeros((resamples, truth.size))
    for label in (0, 1):
        of_kind = np.flatnonzero(truth == label)
        if of_kind.size:
            shares = np.full(of_kind.size, 1 / of_kind.size)
            counts[:, of_kind] = generator.multinomial(of_kind.size, shares, size=resamples)
    return counts


def image_samples(scores: ArrayLike, labels: ArrayLike, counts: Floats) -> dict[str, Floats]:
    """Image AUROC, AP and F1-max of every resample, each (R,), exact.

    Args:
        scores: (N,), finite.
        labels: 0 normal, 1 anomalous, (N,); both must occur.
        counts: (R, N).
    """
    values = -np.asarray(scores, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    starts = np.unique(values[order], return_index=True)[1]  # of the groups of equal scores
    truth = np.asarray(labels).astype(np.bool_)[order]
    parts: list[dict[str, Floats]] = []
    for block in _blocks(counts):
        drawn = block[:, order]
        positives, negatives = (
            np.add.reduceat(drawn * kind, starts, axis=1) for kind in (truth, ~truth)
        )
        total = positives.sum(axis=1)
        hits, false = positives.cumsum(axis=1), negatives.cumsum(axis=1)
        found = np.maximum(hits + false, 1)
        parts.append(
            {
                "image_auroc": _auroc(positives, negatives),
                "image_ap": (positives * hits / found).sum(axis=1) / total,
                "image_f1max": (2 * hits / (hits + false + total[:, None])).max(axis=1),
            }
        )
    return _joined(parts)


def pixel_samples(
    bins: PixelBins, counts: Floats, fpr_limit: float = FPR_LIMIT
) -> dict[str, Floats]:
    """Pixel AUROC and AUPRO of every resample, each (R,), as if values of a bin were tied.

    A resample that has drawn no defect or no normal pixel gives NaN.

    Args:
        bins: Of N images.
        counts: (R, N).
        fpr_limit: AUPRO is integrated up to here.
    """
    parts: list[dict[str, Floats]] = []
    tables = [
        np.ascontiguousarray(table[:, ::-1], dtype=np.float64)
        for table in (bins.positives, bins.negatives, bins.overlap)
    ]
    for block in _blocks(counts):
        positives, negatives, overlap = (block @ table for table in tables)
        regions = block @ bins.regions.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            parts.append(
                {
                    "pixel_auroc": _auroc(positives, negatives),
                    "pixel_aupro": _aupro(negatives, overlap / regions[:, None], fpr_limit),
                }
            )
    return _joined(parts)


def _auroc(positives: Floats, negatives: Floats) -> Floats:
    above = positives.cumsum(axis=1) - positives / 2
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    area: Floats = (negatives * above).sum(axis=1) / pairs
    return area


def _aupro(negatives: Floats, overlap: Floats, fpr_limit: float) -> Floats:
    """As :func:`faprompt.metrics.groups.aupro_of`, with a leading dimension and all tied."""
    rate = negatives / negatives.sum(axis=1, keepdims=True)
    end = np.minimum(rate.cumsum(axis=1), fpr_limit)
    width = np.diff(end, axis=1, prepend=0)
    share = np.divide(width, rate, out=np.zeros_like(rate), where=rate > 0)
    height = overlap.cumsum(axis=1) - overlap
    area: Floats = (width * (height + overlap * share / 2)).sum(axis=1) / fpr_limit
    return area


def _blocks(counts: Floats) -> Iterable[Floats]:
    return (counts[start : start + _BLOCK] for start in range(0, len(counts), _BLOCK))


def _joined(parts: list[dict[str, Floats]]) -> dict[str, Floats]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
