"""Conformal thresholds: ranks by brute force, the promise by simulation, the spread by its law."""

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from faprompt.detection.calibration import (
    allowed_above,
    calibrate,
    default_review_rate,
    images_needed,
    miss_rate,
    threshold_for,
)
from faprompt.errors import ConfigError, DataError

SPLITS = 400


@pytest.mark.parametrize(
    ("rate", "confidence", "needed"),
    [
        (0.01, None, 99),
        (0.05, None, 19),
        (0.1, None, 9),
        (0.001, None, 999),
        (0.3, None, 3),
        (0.01, 0.95, 299),
        (0.05, 0.95, 59),
        (0.1, 0.95, 29),
        (0.01, 0.99, 459),
        (0.5, 0.75, 2),
    ],
)
def test_images_needed(rate: float, confidence: float | None, needed: int) -> None:
    # With confidence: the known sample sizes of distribution-free tolerance limits (Wilks 1941).
    assert images_needed(rate, confidence=confidence) == needed
    assert allowed_above(needed, rate, confidence=confidence) == 1
    assert allowed_above(needed - 1, rate, confidence=confidence) == 0


@given(number=st.integers(1, 3000), hundredths=st.integers(1, 99))
def test_rank_is_that_of_the_formula(number: int, hundredths: int) -> None:
    # k = ceil((n + 1)(1 - alpha)), in exact fractions; binary floats miss it at 99 and 0.01.
    k = math.ceil((number + 1) * (1 - Fraction(hundredths, 100)))
    assert allowed_above(number, hundredths / 100) == number + 1 - k


@given(number=st.integers(1, 2000), rate=st.floats(0.001, 0.5), confidence=st.floats(0.5, 0.999))
def test_rank_with_confidence_is_the_largest_that_beta_allows(
    number: int, rate: float, confidence: float
) -> None:
    found = allowed_above(number, rate, confidence=confidence)
    m = np.arange(1, allowed_above(number, rate) + 1)
    sure = stats.beta.cdf(rate, m, number + 1 - m) >= confidence - 1e-10
    assert found == np.count_nonzero(sure)


def test_a_score_equal_to_the_order_statistic_is_not_a_false_alarm() -> None:
    scores = [0.1] * 50 + [0.7] * 49
    threshold = threshold_for(scores, 0.01)
    assert threshold == math.nextafter(0.7, 1)  # with >= 0.7 half of all normals would be NG
    assert threshold_for(scores[::-1], 0.01) == threshold


Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]
LAWS: dict[str, Draw] = {
    "continuous": lambda rng, n: rng.normal(size=n),
    "heavy tail": lambda rng, n: rng.standard_cauchy(n),
    "ten values": lambda rng, n: rng.integers(0, 10, n) / 10,
    "one value": lambda _, n: np.full(n, 0.5),
    "rounded": lambda rng, n: np.round(rng.beta(2, 8, n), 2),
}


@pytest.mark.parametrize("rate", [0.01, 0.1])
@pytest.mark.parametrize("law", LAWS)
def test_promise_holds_on_average_with_ties_too(law: str, rate: float) -> None:
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(SPLITS):
        threshold = threshold_for(LAWS[law](rng, 120), rate)
        rates.append(np.mean(LAWS[law](rng, 500) >= threshold))
    assert np.mean(rates) <= rate + 3 * np.std(rates) / math.sqrt(SPLITS)


@pytest.mark.parametrize("confidence", [None, 0.9])
def test_spread_of_false_alarms_is_that_of_the_beta_law(confidence: float | None) -> None:
    rng, number, rate = np.random.default_rng(1), 200, 0.05
    allowed = allowed_above(number, rate, confidence=confidence)
    # For uniform scores the true false-alarm rate of a threshold is known: 1 - threshold.
    rates = [
        1 - threshold_for(rng.uniform(size=number), rate, confidence=confidence)
        for _ in range(SPLITS)
    ]
    law = stats.beta(allowed, number + 1 - allowed)
    assert stats.kstest(rates, law.cdf).pvalue > 0.01
    if confidence:
        error = 3 * math.sqrt(confidence * (1 - confidence) / SPLITS)
        assert np.mean(np.array(rates) <= rate) >= confidence - error


def test_confidence_raises_the_threshold() -> None:
    scores = np.random.default_rng(0).uniform(size=400)
    assert threshold_for(scores, 0.05, confidence=0.95) > threshold_for(scores, 0.05)


@given(scores=st.lists(st.floats(0, 1), min_size=9, max_size=60), shift=st.floats(-5, 5))
def test_monotone_maps_of_scores_change_no_decision(scores: list[float], shift: float) -> None:
    threshold = threshold_for(scores, 0.1)
    doubled = threshold_for([2 * s for s in scores], 0.1)
    assert [s >= threshold for s in scores] == [2 * s >= doubled for s in scores]


def test_thresholds_are_in_order_and_pixels_have_their_own() -> None:
    rng = np.random.default_rng(0)
    found = calibrate(rng.uniform(size=99), 0.5 * rng.uniform(size=99), false_alarms=0.01)
    assert found.review_threshold < found.threshold
    assert found.pixel_threshold < 0.5 < found.threshold


def test_equal_rates_leave_no_unsure_zone() -> None:
    found = calibrate(range(20), range(20), false_alarms=0.1, review_rate=0.1)
    assert found.review_threshold == found.threshold


def test_default_review_rate_is_ten_times_capped() -> None:
    rates = (0.001, 0.01, 0.07, 0.3, 0.7)
    assert [default_review_rate(r) for r in rates] == [0.01, 0.1, 0.5, 0.5, 0.7]


@pytest.mark.parametrize(
    ("number", "confidence", "text"),
    [
        (
            98,
            None,
            r"^98 normal images are too few for a rate of 0\.01: needed are 99\. .* 0\.0102",
        ),
        (298, 0.95, r"with confidence 0\.95: needed are 299\. Add .* 0\.0101"),
        (0, None, r"^0 normal images .* needed are 99$"),
    ],
)
def test_too_few_images_are_refused_with_the_number(
    number: int, confidence: float | None, text: str
) -> None:
    with pytest.raises(DataError, match=text):
        threshold_for(np.zeros(number), 0.01, confidence=confidence)


def test_the_rate_that_is_offered_is_possible() -> None:
    for number in (3, 7, 42, 98):
        for confidence in (None, 0.9):
            with pytest.raises(DataError) as error:
                threshold_for(np.zeros(number), 0.01, confidence=confidence)
            offered = float(str(error.value).split("rate of ")[-1].split()[0])
            threshold_for(np.zeros(number), offered, confidence=confidence)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"false_alarms": 0.0}, "false_alarms must lie between 0 and 1, got 0.0"),
        ({"false_alarms": 1}, "false_alarms must lie between 0 and 1, got 1"),
        ({"false_alarms": 0.1, "review_rate": 0.05}, "review_rate 0.05 is below false_alarms 0.1"),
        ({"false_alarms": 0.1, "confidence": 1.0}, "confidence must lie between 0 and 1, got 1.0"),
    ],
)
def test_impossible_promises_are_refused(options: dict[str, float], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        calibrate(range(50), range(50), **options)


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="one finite number per image"):
        threshold_for([0.1, math.nan, 0.2], 0.5)


def test_miss_rate_counts_what_is_below_the_threshold() -> None:
    found = miss_rate([0.1, 0.5, 0.9, 0.8], 0.5)
    assert found is not None
    assert (found.images, found.missed, found.rate) == (4, 1, 0.25)
    low, high = stats.binomtest(1, 4).proportion_ci(0.95, method="exact")
    assert (found.low, found.high) == pytest.approx((low, high))
    assert miss_rate([], 0.5) is None
