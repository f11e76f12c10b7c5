"""Texts and axes of scores: the order is kept, digits are enough, nothing leaves the axis."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faprompt.detection.score_axis import (
    LEAST,
    ScoreAxis,
    log_odds,
    score_text,
    threshold_text,
    tick_text,
)

SCORES = st.one_of(
    st.floats(0, 1),
    st.floats(0, 20).map(lambda power: 10**-power),
    st.floats(0, 20).map(lambda power: 1 - 10**-power),
)


def number(text: str) -> float:
    return float(text.lstrip("<>"))


@given(SCORES, SCORES)
def test_a_larger_score_has_no_smaller_text(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert number(score_text(low)) <= number(score_text(high))


@given(st.floats(1e-5, 1 - 1e-5))
def test_two_digits_of_the_distance_to_the_nearer_end_are_right(score: float) -> None:
    shown, lacks = number(score_text(score)), min(score, 1 - score)
    assert abs(shown - score) <= max(0.05 * lacks, 1e-12)
    assert abs(number(threshold_text(score)) - score) <= max(0.005 * lacks, 1e-12)


@given(SCORES)
def test_only_certainty_is_shown_as_certain(score: float) -> None:
    text = score_text(score)
    assert (text == "1.000") == (score == 1)
    assert (text == "0.000") == (score == 0)
    assert len(text) <= len(">0.999999")
    if text[0] == ">":
        assert score > number(text)
    if text[0] == "<":
        assert score < number(text)


def test_steep_scores_stay_apart() -> None:
    """All of these are 1.000 to three digits."""
    scores = [0.99951, 0.9998, 0.99991, 0.999952, 0.99999]
    assert len({score_text(score) for score in scores}) == len(scores)
    assert {f"{score:.3f}" for score in scores} == {"1.000"}


def test_what_is_no_probability_is_shown_plainly() -> None:
    shown = [score_text(score) for score in (-0.25, 1.5, math.nan)]
    assert shown == ["-0.250", "1.500", "nan"]


def test_log_odds_are_those_of_scipy() -> None:
    from scipy.special import logit

    scores = np.linspace(LEAST, 1 - LEAST, 1001)
    found = [log_odds(float(score)) for score in scores]
    np.testing.assert_allclose(found, logit(scores), rtol=1e-9, atol=1e-12)
    assert (log_odds(0.0), log_odds(1.0)) == (log_odds(LEAST), log_odds(1 - LEAST))


@given(st.lists(SCORES, min_size=1, max_size=20))
def test_an_axis_holds_its_scores_in_their_order(scores: list[float]) -> None:
    axis = ScoreAxis.of(scores)
    places = [axis.place(score) for score in sorted(scores)]
    assert places == sorted(places)
    assert 0 <= places[0] <= places[-1] <= 1
    assert axis.high - axis.low >= 1


@given(st.lists(SCORES, min_size=1, max_size=20))
def test_ticks_are_round_apart_and_at_least_two(scores: list[float]) -> None:
    axis = ScoreAxis.of(scores)
    ticks = axis.ticks()
    places = np.array([axis.place(tick) for tick in ticks])
    assert 2 <= len(ticks) <= 7
    assert (np.diff(places) > 0.149).all()
    assert all(float(tick_text(tick)) == tick and len(tick_text(tick)) <= 8 for tick in ticks)


@pytest.mark.parametrize("middle", [0.001, 0.5, 0.999])
def test_equal_steps_of_log_odds_are_equal_on_the_axis(middle: float) -> None:
    axis = ScoreAxis(-10, 10)
    odds = log_odds(middle)
    up, down = (1 / (1 + math.exp(-odds - step)) for step in (1, -1))
    assert axis.place(up) - axis.place(middle) == pytest.approx(1 / 20)
    assert axis.place(middle) - axis.place(down) == pytest.approx(1 / 20)
