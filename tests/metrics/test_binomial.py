"""Binomial tails and exact intervals, against scipy."""

import numpy as np
import pytest
from scipy import stats

from faprompt.errors import MetricError
from faprompt.metrics.binomial import beta_quantile, binomial_tails, clopper_pearson


@pytest.mark.parametrize("rate", [0, 1e-6, 0.01, 0.3, 0.5, 0.999, 1])
@pytest.mark.parametrize("number", [0, 1, 2, 99, 1000, 20_000])
def test_tails_are_those_of_scipy(number: int, rate: float) -> None:
    expected = stats.binom.sf(np.arange(number + 1) - 1, number, rate)
    np.testing.assert_allclose(binomial_tails(number, rate), expected, rtol=1e-9, atol=1e-300)


def test_tails_are_the_incomplete_beta_function() -> None:
    number, rate = 50, 0.07
    k = np.arange(1, number + 1)
    expected = stats.beta.cdf(rate, k, number - k + 1)
    np.testing.assert_allclose(binomial_tails(number, rate)[1:], expected, rtol=1e-11)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
@pytest.mark.parametrize(("count", "number"), [(0, 1), (1, 1), (0, 20), (3, 20), (392, 392)])
def test_interval_is_that_of_scipy(count: int, number: int, confidence: float) -> None:
    expected = stats.binomtest(count, number).proportion_ci(confidence, method="exact")
    assert clopper_pearson(count, number, confidence=confidence) == pytest.approx(
        tuple(expected), abs=1e-12
    )


def test_without_trials_anything_is_possible() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("count", "number"), [(-1, 3), (4, 3)])
def test_impossible_counts_are_refused(count: int, number: int) -> None:
    with pytest.raises(MetricError, match=f"{count} of {number}"):
        clopper_pearson(count, number)


def test_impossible_rates_are_refused() -> None:
    with pytest.raises(MetricError, match=r"rate 1\.5"):
        binomial_tails(3, 1.5)


@pytest.mark.parametrize("chance", [1e-6, 0.025, 0.5, 0.975])
@pytest.mark.parametrize(("a", "b"), [(1, 1), (1, 99), (10, 3), (56, 504)])
def test_quantiles_of_beta_are_those_of_scipy(chance: float, a: int, b: int) -> None:
    assert beta_quantile(chance, a, b) == pytest.approx(stats.beta.ppf(chance, a, b), rel=1e-9)


def test_impossible_beta_laws_are_refused() -> None:
    with pytest.raises(MetricError, match=r"Beta\(0, 3\)"):
        beta_quantile(0.5, 0, 3)
