"""From scores of normal images to thresholds with a stated false-alarm rate.

Split conformal prediction (Vovk, Gammerman, Shafer: Algorithmic Learning in a Random World, 2005;
Angelopoulos, Bates: arXiv:2107.07511, section 1): no law of the scores is assumed, only that the
normal images to come are exchangeable with those given. Pure functions, free of torch.

n normal scores, m of which may lie above the threshold: an image is NG when its score is above the
(n + 1 - m)-th smallest of them. A score equal to that one is not NG, so that ties keep the promise.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faprompt.errors import ConfigError, DataError
from faprompt.metrics.binomial import beta_quantile, binomial_tails, clopper_pearson

REVIEW_FACTOR = 10
"""The review rate is this many times the false-alarm rate, unless told."""
LARGEST_REVIEW_RATE = 0.5
"""Of the default: where half of the good parts are looked at anyway, a model does not help."""
INTERVAL_CONFIDENCE = 0.95
"""Of the interval of a miss rate."""
_ROUNDING = 1e-12
"""Of a chance; far below any confidence that one can ask for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Thresholds:
    """Where decisions change."""

    threshold: float
    """NG at or above."""
    review_threshold: float
    """UNSURE from here up to ``threshold``; at most ``threshold``."""
    pixel_threshold: float
    """Abnormal at or above; for anomaly maps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MissRate:
    """How many of the anomalous images a threshold misses."""

    images: int
    missed: int
    rate: float
    low: float
    """Exact interval, see :func:`faprompt.metrics.binomial.clopper_pearson`."""
    high: float


def default_review_rate(false_alarms: float) -> float:
    """Ten times the false-alarm rate, at most one half, never below the rate itself.

    Example:
        >>> default_review_rate(0.01), default_review_rate(0.2), default_review_rate(0.6)
        (0.1, 0.5, 0.6)
    """
    _check_share("false_alarms", false_alarms)
    # In decimals, as it was typed: 10 * 0.07 is 0.7000000000000001 in floating point.
    tenfold = float(REVIEW_FACTOR * Fraction(str(false_alarms)))
    return max(false_alarms, min(tenfold, LARGEST_REVIEW_RATE))


def allowed_above(number: int, rate: float, *, confidence: float | None = None) -> int:
    """m: how many of n normal scores may lie above the threshold. 0: there are too few scores.

    On average: m = floor((n + 1) rate), because the next normal score is equally likely to have
    any rank among n + 1. With confidence: the largest m, at most that one, for which
    P(Binomial(n, rate) >= m) >= confidence, because the true rate of a calibration follows
    Beta(m, n + 1 - m) (Vovk: Conditional validity of inductive conformal predictors, 2012).

    Args:
        number: n.
        rate: Of false alarms, in (0, 1).
        confidence: None for the average over calibrations.

    Example:
        >>> allowed_above(99, 0.01), allowed_above(98, 0.01), allowed_above(999, 0.01)
        (1, 0, 10)
        >>> allowed_above(299, 0.01, confidence=0.95), allowed_above(298, 0.01, confidence=0.95)
        (1, 0)
    """
    _check_share("false-alarm rate", rate)
    average = math.floor((number + 1) * Fraction(str(rate)))  # exact: 0.01 is one hundredth
    if confidence is None:
        return average
    _check_share("confidence", confidence)
    sure = np.count_nonzero(binomial_tails(number, rate)[1:] >= confidence - _ROUNDING)
    return min(average, int(sure))


def images_needed(rate: float, *, confidence: float | None = None) -> int:
    """Fewest normal images from which a threshold for this rate can be made.

    Example:
        >>> images_needed(0.01), images_needed(0.01, confidence=0.95)
        (99, 299)
    """
    _check_share("false-alarm rate", rate)
    average = math.ceil(1 / Fraction(str(rate))) - 1
    if confidence is None:
        return average
    _check_share("confidence", confidence)
    # One above must be likely enough: 1 - (1 - rate)^n >= confidence.
    sure = math.log1p(-confidence + _ROUNDING) / math.log1p(-rate)
    return max(average, math.ceil(sure))


def likely_rates(
    number: int, rate: float, *, confidence: float | None = None
) -> tuple[float, float]:
    """Between which rates the true one of a single calibration lies, 95 times in 100.

    The central interval of Beta(m, n + 1 - m), for scores without ties (these make rates smaller).

    Args:
        number: n, enough of them: see :func:`images_needed`.
        rate: As asked for.
        confidence: As asked for.

    Example:
        >>> [round(x, 4) for x in likely_rates(99, 0.01)]
        [0.0003, 0.0366]
    """
    allowed = allowed_above(number, rate, confidence=confidence)
    if not allowed:
        raise DataError(_too_few(number, rate, confidence))
    rest = (1 - INTERVAL_CONFIDENCE) / 2
    low, high = (beta_quantile(p, allowed, number + 1 - allowed) for p in (rest, 1 - rest))
    return low, high


def threshold_for(scores: ArrayLike, rate: float, *, confidence: float | None = None) -> float:
    """The threshold that at most a share ``rate`` of normal scores reaches or exceeds.

    Args:
        scores: Of normal images, (n,); finite, in any order, ties allowed.
        rate: In (0, 1).
        confidence: None: the rate holds on average over calibrations; else with this confidence
            for the calibration at hand.

    Returns:
        The smallest number above the (n + 1 - m)-th smallest score, see :func:`allowed_above`.

    Raises:
        DataError: too few scores, or one is not finite.

    Example:
        >>> threshold_for([0.3, 0.1, 0.2], 0.25) > 0.3, round(threshold_for([1, 2, 3], 0.5), 6)
        (True, 2.0)
    """
    values = np.sort(_finite(scores))
    allowed = allowed_above(len(values), rate, confidence=confidence)
    if not allowed:
        raise DataError(_too_few(len(values), rate, confidence))
    return math.nextafter(float(values[-allowed]), math.inf)


def calibrate(
    normal_scores: ArrayLike,
    normal_peaks: ArrayLike,
    *,
    false_alarms: float,
    review_rate: float | None = None,
    confidence: float | None = None,
) -> Thresholds:
    """Thresholds for images and pixels from normal images alone.

    Args:
        normal_scores: Image scores, (n,).
        normal_peaks: The largest value of each image's anomaly map, (n,): at most
            ``false_alarms`` of normal images have any pixel at or above the pixel threshold.
        false_alarms: Share of normal images that may be NG, in (0, 1).
        review_rate: Share of normal images that may be NG or UNSURE; at least ``false_alarms``.
            None: see :func:`default_review_rate`.
        confidence: None: the shares hold on average over calibrations. Else with this
            confidence, in (0, 1), for the very calibration at hand.

    Raises:
        DataError: too few images for the rates; the text names the number needed.
        ConfigError: a rate or the confidence is out of range.

    Example:
        >>> found = calibrate(range(99), range(99), false_alarms=0.01)
        >>> round(found.threshold, 6), round(found.review_threshold, 6)
        (98.0, 89.0)
    """
    _check_share("false_alarms", false_alarms)
    reviewed = default_review_rate(false_alarms) if review_rate is None else review_rate
    _check_share("review_rate", reviewed)
    if reviewed < false_alarms:
        raise ConfigError(
            f"review_rate {reviewed} is below false_alarms {false_alarms}; needed is at least "
            "that rate (equal: no UNSURE)"
        )
    return Thresholds(
        threshold=threshold_for(normal_scores, false_alarms, confidence=confidence),
        review_threshold=threshold_for(normal_scores, reviewed, confidence=confidence),
        pixel_threshold=threshold_for(normal_peaks, false_alarms, confidence=confidence),
    )


def miss_rate(anomalous_scores: Sequence[float], threshold: float) -> MissRate | None:
    """Share of anomalous images below a threshold, with its exact interval; None without images.

    Example:
        >>> miss_rate([0.2, 0.7, 0.9, 0.8], 0.5).rate
        0.25
    """
    values = _finite(anomalous_scores)
    if not len(values):
        return None
    missed = int(np.count_nonzero(values < threshold))
    low, high = clopper_pearson(missed, len(values), confidence=INTERVAL_CONFIDENCE)
    return MissRate(
        images=len(values), missed=missed, rate=missed / len(values), low=low, high=high
    )


def _finite(scores: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise DataError(
            f"scores of shape {values.shape} cannot be calibrated on; needed is one finite number "
            "per image"
        )
    return values


def _check_share(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise ConfigError(f"{name} must lie between 0 and 1, got {value!r}")


def _too_few(number: int, rate: float, confidence: float | None) -> str:
    needed = images_needed(rate, confidence=confidence)
    sense = "" if confidence is None else f" with confidence {confidence:g}"
    text = f"{number} normal images are too few for a rate of {rate:g}{sense}: needed are {needed}"
    if not number:
        return text
    possible = (
        1 / (number + 1) if confidence is None else -math.expm1(math.log1p(-confidence) / number)
    )
    shown = math.ceil(1e4 * max(possible, 1 / (number + 1))) / 1e4
    return f"{text}. Add images, or ask for a rate of {shown:g} or more"
