"""From cells to statements: means over seeds, intervals over images, differences of methods.

All methods of a target are resampled with the same images drawn, class by class; a figure of a
resample is the plain mean over the classes and then over the seeds. What an interval says is
therefore how much the figure hangs on the images of the target, not on the seeds: their spread is
the standard deviation. A difference of two methods draws seeds again as well as images, so that a
lucky seed is not taken for a better method. Shapes: S seeds, R resamples.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from faprompt.detection.figures import METRICS
from faprompt.metrics.bootstrap import Floats, image_samples, pixel_samples, resample_counts
from faprompt.protocol.cells import CellStore, ClassPart
from faprompt.protocol.scoring import LEGACY

ALL_METRICS = (*METRICS, LEGACY)
RESAMPLED = ("image_auroc", "image_ap", "image_f1max", "pixel_auroc", "pixel_aupro")
"""Metrics with intervals."""
LOW, HIGH = 2.5, 97.5
"""Percentiles of the intervals."""
SEED = 0
"""Of the resamples: the same for every method, which is what pairs them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """One metric of one method on one target."""

    mean: float | None
    """Over the seeds; None where undefined."""
    std: float | None
    """Sample standard deviation over the seeds; None for fewer than two."""
    interval: tuple[float, float] | None
    """95 % bootstrap interval over images; None for metrics that are not resampled."""
    seeds: int
    reason: str | None = None
    """Why it is undefined."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """How much better one method is than another on the same images."""

    value: float
    interval: tuple[float, float]
    """95 % paired bootstrap interval, over images and seeds."""
    p_value: float
    """Two-sided: twice the smaller share of resamples on one side of zero, at least 2 / (R + 1)."""

    @property
    def verdict(self) -> int:
        """1 better, -1 worse, 0 not told apart: the interval holds zero."""
        low, high = self.interval
        return int(low > 0) - int(high < 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One method on one target: a figure per metric and its resamples."""

    summaries: dict[str, Summary]
    samples: dict[str, Floats]
    """Metric to figures of the resamples, (S, R), moved so that they lie around the exact figure;
    without seeds in which the metric is undefined."""


def mean_values(classes: Sequence[dict[str, float | None]], metric: str) -> float | None:
    """Plain mean over the classes in which a metric is defined; None if it is in none."""
    defined = [value for values in classes if (value := values[metric]) is not None]
    return math.fsum(defined) / len(defined) if defined else None


def measure(store: CellStore, cells: Sequence[str], *, resamples: int) -> Measured:
    """Summarise the cells of one method on one target.

    Args:
        store: Holds them.
        cells: One per seed, all of the same target.
        resamples: R.

    Raises:
        OutputError: a cell is damaged.
    """
    values: dict[str, list[float | None]] = {metric: [] for metric in ALL_METRICS}
    reasons: dict[str, str] = {}
    drawn: dict[str, list[Floats]] = {metric: [] for metric in RESAMPLED}
    for name in cells:
        parts = store.parts(name)
        for metric in ALL_METRICS:
            values[metric].append(mean_values([p.facts["values"] for p in parts], metric))
            reasons |= _reason(parts, metric)
        for metric, found in _resampled(parts, resamples).items():
            drawn[metric].append(found)
    samples = {metric: np.stack(found) for metric, found in drawn.items() if found}
    summaries = {
        metric: _summary(values[metric], samples.get(metric), reasons.get(metric))
        for metric in ALL_METRICS
    }
    return Measured(summaries=summaries, samples=samples)


def compare(ours: Measured, other: Measured, metric: str) -> Difference | None:
    """Paired difference of two methods on the same target; None where either is undefined."""
    if metric not in ours.samples or metric not in other.samples:
        return None
    ours_mean, other_mean = ours.summaries[metric].mean, other.summaries[metric].mean
    if ours_mean is None or other_mean is None:
        return None
    differences = _any_seeds(ours.samples[metric], 0) - _any_seeds(other.samples[metric], 1)
    differences = differences[np.isfinite(differences)]
    if not differences.size:
        return None
    low, high = np.percentile(differences, [LOW, HIGH])
    below, above = (differences <= 0).sum(), (differences >= 0).sum()
    p_value = min(1.0, 2 * (1 + min(below, above)) / (differences.size + 1))
    return Difference(
        value=ours_mean - other_mean, interval=(float(low), float(high)), p_value=float(p_value)
    )


def _any_seeds(samples: Floats, stream: int) -> Floats:
    """Mean over as many seeds as there are, drawn with replacement in every resample, (R,)."""
    seeds, resamples = samples.shape
    drawn = np.random.default_rng((SEED, stream)).integers(0, seeds, (seeds, resamples))
    mean: Floats = samples[drawn, np.arange(resamples)].mean(axis=0)
    return mean


def _resampled(parts: Iterable[ClassPart], resamples: int) -> dict[str, Floats]:
    """Mean over the classes of every resample, each (R,)."""
    found: dict[str, list[Floats]] = {metric: [] for metric in RESAMPLED}
    for number, part in enumerate(parts):
        counts = resample_counts(part.labels, resamples=resamples, seed=SEED + number)
        values = part.facts["values"]
        samples: dict[str, Floats] = {}
        if values["image_auroc"] is not None:
            samples |= image_samples(part.scores, part.labels, counts)
        if part.bins is not None:
            ones = np.ones((1, part.known.size))
            binned = pixel_samples(part.bins, ones)
            drawn = pixel_samples(part.bins, counts[:, part.known])
            # binning moves all resamples alike: put them around the exact figure
            samples |= {m: drawn[m] + (values[m] - binned[m][0]) for m in drawn}
        for metric, sample in samples.items():
            found[metric].append(sample)
    return {metric: np.mean(listed, axis=0) for metric, listed in found.items() if listed}


def _reason(parts: Sequence[ClassPart], metric: str) -> dict[str, str]:
    reasons = {p.facts["undefined"].get(metric) for p in parts} - {None}
    return {metric: "; ".join(sorted(map(str, reasons)))} if reasons else {}


def _summary(values: Sequence[float | None], samples: Floats | None, reason: str | None) -> Summary:
    defined = [value for value in values if value is not None]
    if not defined:
        return Summary(mean=None, std=None, interval=None, seeds=len(values), reason=reason)
    interval = None
    if samples is not None and np.isfinite(samples).any():
        low, high = np.nanpercentile(samples.mean(axis=0), [LOW, HIGH])
        interval = (float(low), float(high))
    return Summary(
        mean=math.fsum(defined) / len(defined),
        std=statistics.stdev(defined) if len(defined) > 1 else None,
        interval=interval,
        seeds=len(defined),
    )
