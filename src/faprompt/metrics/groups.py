"""Scores grouped by value, and the four metrics of such groups with limits of their error.

A group holds items of one value (``tied``) or of neighbouring values whose order is not known; the
latter makes a metric uncertain by the difference between the best and the worst order.
Shapes: G groups, highest value first.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Groups:
    """Counts per group, highest value first; both classes must occur."""

    negatives: Floats
    """Items without defect, (G,)."""
    positives: Floats
    """Items with defect, (G,)."""
    overlap: Floats
    """Share of all regions that the group covers, (G,); sums to 1."""
    tied: NDArray[np.bool_]
    """Whether all items of the group have the same value, (G,)."""
    bins: NDArray[np.int64]
    """Where the group came from, (G,); for refinement."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A metric and how far the exact value may be from it."""

    value: float
    limit: float
    """Rigorous limit of the absolute error."""
    slack: Floats
    """What each group contributes to the limit, (G,)."""


def auroc_of(groups: Groups) -> Estimate:
    """Area under the ROC curve; ties count half."""
    positives, negatives = groups.positives, groups.negatives
    pairs = positives.sum() * negatives.sum()
    above = _before(positives)
    value = float(negatives @ (above + positives / 2) / pairs)
    return _additive(value, np.where(groups.tied, 0, negatives * positives / 2 / pairs))


def average_precision_of(groups: Groups) -> Estimate:
    """Sum over distinct thresholds of recall gained times precision.

    With an unknown order, precision is highest if all positives of the group share its highest
    value, and lowest if they come one by one after its negatives.
    """
    positives, negatives = groups.positives, groups.negatives
    above_p, above_n = _before(positives), _before(negatives)
    hits, total = above_p + positives, positives.sum()
    exact = positives * hits / np.maximum(hits + above_n + negatives, 1)
    best = positives * hits / np.maximum(hits + above_n, 1)
    false = above_n + negatives
    # sum of 1 / (a + j) for j = 1..p is at most log((a + p + 1/2) / (a + 1/2)): 1/x is convex
    worst = positives - false * np.log1p(positives / (above_p + false + 0.5))
    parts = np.where(groups.tied, exact, (best + worst) / 2)
    slack = np.where(groups.tied, 0, (best - worst) / 2)
    return _additive(float(parts.sum() / total), slack / total)


def f1_max_of(groups: Groups) -> Estimate:
    """Largest F1 over the thresholds between groups; a higher one may hide inside a group."""
    positives, negatives = groups.positives, groups.negatives
    total = positives.sum()
    hits, false = positives.cumsum(), negatives.cumsum()
    value = float((2 * hits / (hits + false + total)).max())
    inside = 2 * hits / (hits + false - negatives + total)  # the group's positives come first
    slack = np.where(groups.tied | (positives == 0), 0, np.maximum(inside - value, 0))
    return Estimate(value=value, limit=float(slack.max()), slack=slack)


def aupro_of(groups: Groups, fpr_limit: float) -> Estimate:
    """Area under mean overlap of regions against FPR, up to ``fpr_limit``, divided by it.

    The curve is linear through ties, and is cut exactly at the limit.
    """
    rate = groups.negatives / groups.negatives.sum()
    end = np.minimum(rate.cumsum(), fpr_limit)
    start = np.concatenate([[0.0], end[:-1]])
    width = end - start
    share = np.divide(width, rate, out=np.zeros_like(rate), where=rate > 0)
    height = _before(groups.overlap)
    reached = np.where(groups.tied, share, 1) / 2  # unknown order: midway between the extremes
    value = float(width @ (height + groups.overlap * reached) / fpr_limit)
    return _additive(value, np.where(groups.tied, 0, width * groups.overlap / 2 / fpr_limit))


def worst_groups(
    estimate: Estimate, tolerance: float, *, additive: bool = True
) -> NDArray[np.intp]:
    """Return the groups, worst first, without which the limit would be within ``tolerance``."""
    order = np.argsort(-estimate.slack, kind="stable")
    slack = estimate.slack[order]
    remaining = slack[::-1].cumsum()[::-1] if additive else slack
    return order[: int((remaining > tolerance).sum())]


def metrics_of(fpr_limit: float) -> dict[str, Callable[[Groups], Estimate]]:
    """Name the four metrics, as they are called in results."""
    return {
        "auroc": auroc_of,
        "ap": average_precision_of,
        "f1max": f1_max_of,
        "aupro": lambda groups: aupro_of(groups, fpr_limit),
    }


def _before(counts: Floats) -> Floats:
    """Sum of the groups above each group."""
    return np.concatenate([[0.0], counts.cumsum()[:-1]])


def _additive(value: float, slack: Floats) -> Estimate:
    return Estimate(value=value, limit=float(slack.sum()), slack=slack)
