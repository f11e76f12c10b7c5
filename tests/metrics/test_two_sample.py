"""Kolmogorov-Smirnov: against scipy without ties, against all dealings with ties."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from faprompt.errors import MetricError
from faprompt.metrics import two_sample
from faprompt.metrics.two_sample import kolmogorov_smirnov


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 5), (20, 20), (99, 30), (560, 200)])
@pytest.mark.parametrize("shift", [0.0, 0.3, 2.0])
def test_without_ties_it_is_that_of_scipy(n: int, m: int, shift: float) -> None:
    rng = np.random.default_rng(n + m)
    a, b = rng.normal(size=n), rng.normal(size=m) + shift
    found, expected = kolmogorov_smirnov(a, b), stats.ks_2samp(a, b, method="exact")
    assert found.statistic == pytest.approx(expected.statistic, abs=1e-12)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-7)


@given(
    a=st.lists(st.integers(0, 3), min_size=1, max_size=5),
    b=st.lists(st.integers(0, 3), min_size=1, max_size=5),
)
def test_with_ties_it_is_the_share_of_all_dealings(a: list[int], b: list[int]) -> None:
    pooled = a + b

    def distance(chosen: tuple[int, ...]) -> float:
        first = [pooled[i] for i in chosen]
        second = [pooled[i] for i in range(len(pooled)) if i not in chosen]
        shares = ((np.mean([x <= t for x in side]) for side in (first, second)) for t in pooled)
        return max(float(abs(one - other)) for one, other in shares)

    dealings = [distance(chosen) for chosen in combinations(range(len(pooled)), len(a))]
    found = kolmogorov_smirnov(a, b)
    assert found.statistic == pytest.approx(distance(tuple(range(len(a)))), abs=1e-12)
    expected = np.mean([d >= found.statistic - 1e-9 for d in dealings])
    assert found.p_value == pytest.approx(expected, rel=1e-9)


def test_the_limit_law_is_close_to_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    for shift in (0.0, 0.05, 0.2):
        a, b = rng.normal(size=1500), rng.normal(size=1000) + shift
        exact = kolmogorov_smirnov(a, b).p_value
        monkeypatch.setattr(two_sample, "EXACT_UP_TO", 10)
        limit = kolmogorov_smirnov(a, b).p_value
        monkeypatch.undo()
        assert limit == pytest.approx(exact, abs=0.02)
        expected = stats.kstwobign.sf(kolmogorov_smirnov(a, b).statistic * np.sqrt(600))
        assert limit == pytest.approx(expected, abs=1e-10)


def test_equal_laws_give_uniform_p_values() -> None:
    rng = np.random.default_rng(5)
    found = [kolmogorov_smirnov(rng.random(40), rng.random(30)).p_value for _ in range(400)]
    for level in (0.01, 0.05, 0.2):
        error = 3 * np.sqrt(level * (1 - level) / len(found))
        assert np.mean(np.array(found) <= level) <= level + error


def test_order_and_monotone_maps_change_nothing() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(30), rng.random(20) ** 2
    expected = kolmogorov_smirnov(a, b)
    assert kolmogorov_smirnov(a[::-1], np.sort(b)) == expected
    assert kolmogorov_smirnov(np.exp(a), np.exp(b)) == expected
    swapped = kolmogorov_smirnov(b, a)
    assert swapped.statistic == expected.statistic
    assert swapped.p_value == pytest.approx(expected.p_value)


@pytest.mark.parametrize("bad", [[], [float("nan")]])
def test_samples_without_finite_values_are_refused(bad: list[float]) -> None:
    with pytest.raises(MetricError, match="needed are finite values"):
        kolmogorov_smirnov([1.0], bad)
