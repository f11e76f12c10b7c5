"""Exact AUROC, AP and F1-max of scores and labels. Shapes: N items."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faprompt.errors import MetricError
from faprompt.metrics.groups import (
    Estimate,
    Groups,
    auroc_of,
    average_precision_of,
    f1_max_of,
)


def auroc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Chance that an anomalous item scores higher than a normal one; ties count half.

    Args:
        scores: Higher is more anomalous, (N,); finite.
        labels: 0 normal, 1 anomalous, (N,).

    Returns:
        1 perfect, 0.5 chance, 0 upside down.

    Raises:
        MetricError: not defined for these values; the text says why.

    Example:
        >>> auroc([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
        0.875
    """
    return _exact(auroc_of, scores, labels)


def average_precision(scores: ArrayLike, labels: ArrayLike) -> float:
    """Precision averaged over recall, stepwise as scikit-learn does; see ``auroc``.

    Example:
        >>> round(average_precision([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1]), 4)
        0.8333
    """
    return _exact(average_precision_of, scores, labels)


def f1_max(scores: ArrayLike, labels: ArrayLike) -> float:
    """F1 at its best threshold, an item being anomalous at or above it; see ``auroc``.

    Example:
        >>> f1_max([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
        0.8
    """
    return _exact(f1_max_of, scores, labels)


def _exact(metric: Callable[[Groups], Estimate], scores: ArrayLike, labels: ArrayLike) -> float:
    values, truth = np.asarray(scores), np.asarray(labels)
    if values.ndim != 1 or values.shape != truth.shape:
        raise MetricError(
            f"scores have shape {values.shape} and labels {truth.shape}; needed are two vectors "
            "of the same length"
        )
    if not values.size:
        raise MetricError("there are no scores; needed is at least one normal and one anomalous")
    if not np.isfinite(values).all():
        raise MetricError(f"{(~np.isfinite(values)).sum()} scores are not finite")
    if odd := set(np.unique(truth).tolist()) - {0, 1}:
        raise MetricError(f"labels are {sorted(odd)[:3]}; needed are 0 and 1")
    if truth.min() == truth.max():
        kind = "anomalous" if truth.min() else "normal"
        raise MetricError(f"all {truth.size} items are {kind}; needed are both kinds")
    return metric(_group(values, truth.astype(bool))).value


def _group(values: NDArray[Any], truth: NDArray[np.bool_]) -> Groups:
    distinct, group = np.unique(-values.astype(np.float64), return_inverse=True)
    positives = np.bincount(group, truth, minlength=distinct.size).astype(np.float64)
    return Groups(
        negatives=np.bincount(group, ~truth, minlength=distinct.size).astype(np.float64),
        positives=positives,
        overlap=positives / positives.sum(),
        tied=np.ones(distinct.size, dtype=np.bool_),
        bins=np.arange(distinct.size),
    )
