"""The binomial law: exact tails, and exact intervals of a proportion.

Own and small, because scipy is not among the packages that users need.
"""

import math

import numpy as np
from numpy.typing import NDArray

from faprompt.errors import MetricError

_HALVINGS = 60  # of [0, 1]: beyond double precision around 1


def binomial_tails(number: int, rate: float) -> NDArray[np.float64]:
    """P(X >= k) for every k from 0 to ``number``, X counting hits in ``number`` trials.

    By the symmetry of order statistics it is the regularised incomplete beta function, too:
    P(X >= k) = I_rate(k, number - k + 1).

    Args:
        number: Trials, at least 0.
        rate: Chance of a hit, in [0, 1].

    Returns:
        Probabilities, (number + 1,).

    Example:
        >>> binomial_tails(2, 0.5).round(12).tolist()
        [1.0, 0.75, 0.25]
    """
    if number < 0 or not 0 <= rate <= 1:
        raise MetricError(f"binomial law of {number} trials at rate {rate}; needed: 0 <= rate <= 1")
    if rate in {0, 1}:
        hits = np.arange(number + 1)
        return np.where(hits == 0, 1.0, float(rate))
    hits = np.arange(1, number + 1)
    steps = np.log((number - hits + 1) / hits) + math.log(rate) - math.log1p(-rate)
    logs = number * math.log1p(-rate) + np.concatenate([[0.0], np.cumsum(steps)])
    # Summed from the far end, small terms first. All chances add up to 1: dividing by what they do
    # add up to takes away the rounding of many logarithms, which they have in common.
    sums = np.exp(logs)[::-1].cumsum()[::-1]
    tails: NDArray[np.float64] = sums / sums[0]
    return tails


def clopper_pearson(count: int, number: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of a proportion (Clopper and Pearson, Biometrika 26, 1934).

    It holds the true proportion with at least the stated confidence, for any number of trials.

    Args:
        count: Hits, from 0 to ``number``.
        number: Trials; without any the interval is all of [0, 1].
        confidence: In (0, 1); half of the rest is left out on either side.

    Example:
        >>> [round(x, 4) for x in clopper_pearson(0, 10)]
        [0.0, 0.3085]
    """
    if not 0 <= count <= number or not 0 < confidence < 1:
        raise MetricError(
            f"{count} of {number} with confidence {confidence}; needed is a count of at most the "
            "number and a confidence between 0 and 1"
        )
    rest = (1 - confidence) / 2
    low = beta_quantile(rest, count, number - count + 1) if count else 0.0
    high = beta_quantile(1 - rest, count + 1, number - count) if count < number else 1.0
    return low, high


def beta_quantile(chance: float, a: int, b: int) -> float:
    """The x with I_x(a, b) = ``chance``: quantile of the Beta law, for whole numbers a and b.

    Example:
        >>> round(beta_quantile(0.5, 1, 1), 12)
        0.5
    """
    if a < 1 or b < 1 or not 0 <= chance <= 1:
        raise MetricError(f"quantile {chance} of Beta({a}, {b}); needed are a and b of at least 1")
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if binomial_tails(a + b - 1, middle)[a] < chance:  # grows with x
            low = middle
        else:
            high = middle
    return (low + high) / 2
