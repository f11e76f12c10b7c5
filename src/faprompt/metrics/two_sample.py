"""Do two samples of scores come from one law? The two-sample Kolmogorov-Smirnov test.

Shapes: n and m scores, N = n + m.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faprompt.errors import MetricError

EXACT_UP_TO = 20_000
"""N beyond which the p-value is Kolmogorov's limit: there it is off by less than a hundredth."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TwoSample:
    """Result of a test."""

    statistic: float
    """Largest distance of the two empirical distribution functions, in [0, 1]."""
    p_value: float
    """Chance of at least this distance if both samples come from one law."""


def kolmogorov_smirnov(first: ArrayLike, second: ArrayLike) -> TwoSample:
    """Compare two samples, two-sided; whatever differs counts: place, spread or shape.

    The p-value is exact also for ties, given which scores are tied: all ways of dealing the pooled
    scores out to the two samples are equally likely (Schröer and Trenkler, Computational
    Statistics and Data Analysis 20, 1995).

    Args:
        first: (n,), finite, at least one.
        second: (m,), finite, at least one.

    Raises:
        MetricError: a sample is empty or has values that are not finite.

    Example:
        >>> round(kolmogorov_smirnov([1, 2, 3], [4, 5, 6]).p_value, 12)
        0.1
    """
    a, b = _sample(first), _sample(second)
    n, m = len(a), len(b)
    pooled = np.concatenate([a, b])
    order = np.argsort(pooled, kind="stable")
    from_first = (order < n).astype(np.int64)
    # The distribution functions are compared where a group of equal scores ends.
    ends = np.append(np.diff(pooled[order]) > 0, [True])
    taken = from_first.cumsum()
    rest = np.arange(1, n + m + 1) - taken
    distance = int(np.abs(taken * m - rest * n)[ends].max())  # in units of 1 / (n m): exact
    statistic = distance / (n * m)
    if n + m > EXACT_UP_TO:
        return TwoSample(statistic=statistic, p_value=_limit(statistic, n, m))
    return TwoSample(statistic=statistic, p_value=_exact(distance, n, m, ends))


def _exact(distance: int, n: int, m: int, ends: NDArray[np.bool_]) -> float:
    """Share of all ways to deal the scores out that reach this distance.

    Goes through the pooled scores with the chance of every number taken by the first sample that
    has kept below the distance so far; what is lost on the way has reached it.
    """
    taken = np.arange(n + 1)
    below = np.zeros(n + 1)
    below[0] = 1.0
    reached = 0.0
    for step, is_end in enumerate(ends):
        left = n + m - step
        to_first = below * ((n - taken) / left)
        below *= np.maximum(m - (step - taken), 0) / left  # no difference: small chances count
        below[1:] += to_first[:-1]
        if is_end:
            far = np.abs(taken * m - (step + 1 - taken) * n) >= distance
            reached += float(below[far].sum())
            below[far] = 0.0
    return min(1.0, reached)


def _limit(statistic: float, n: int, m: int) -> float:
    """Kolmogorov's limit law."""
    z = statistic * math.sqrt(n * m / (n + m))
    if z < 0.2:  # where the series is slow, and the chance is 1 to 12 digits
        return 1.0
    terms = (2 * (-1) ** (k - 1) * math.exp(-2 * (k * z) ** 2) for k in range(1, 101))
    return min(1.0, max(0.0, math.fsum(terms)))


def _sample(values: ArrayLike) -> NDArray[np.float64]:
    found = np.asarray(values, dtype=np.float64).ravel()
    if not found.size or not np.isfinite(found).all():
        raise MetricError(
            f"a sample of {found.size} values cannot be compared; needed are finite values, at "
            "least one"
        )
    return found
