"""Drift: silent on scores of the same law, loud on others, honest about few images."""

import numpy as np
import pytest
from stations import station

from faprompt.detection.drift import measure_drift
from faprompt.errors import DataError
from faprompt.metrics.two_sample import kolmogorov_smirnov

RNG = np.random.default_rng(0)
STEADY = station(RNG.normal(0.3, 0.05, 300).tolist())


def test_scores_of_the_same_law_are_no_drift() -> None:
    recent = RNG.normal(0.3, 0.05, 100).tolist()
    drift = measure_drift(STEADY, recent)
    assert not drift.warns
    assert drift.p_value == kolmogorov_smirnov(STEADY.normal_scores, recent).p_value
    assert str(drift).startswith("no drift seen (100 recent images, distance 0.")


def test_false_warnings_are_as_rare_as_stated() -> None:
    rng = np.random.default_rng(7)
    warned = [
        measure_drift(station(rng.random(120).tolist()), rng.random(40).tolist(), alarm=0.1).warns
        for _ in range(200)
    ]
    assert np.mean(warned) <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 200)


@pytest.mark.parametrize(
    ("place", "spread", "word"), [(0.4, 0.05, "higher"), (0.2, 0.05, "lower"), (0.3, 0.2, "0 % ")]
)
def test_other_scores_are_told_in_plain_words(place: float, spread: float, word: str) -> None:
    drift = measure_drift(STEADY, np.random.default_rng(1).normal(place, spread, 100).tolist())
    assert drift.warns
    assert word in str(drift)
    assert "p < 0.0001" in str(drift)
    assert "calibrate again" in str(drift)


def test_shares_are_counted_as_decisions_are_made() -> None:
    drift = measure_drift(STEADY, [0.0, STEADY.review_threshold, 1.0, 0.1])
    assert drift.not_ok == 0.5


def test_few_images_are_said_to_be_few() -> None:
    drift = measure_drift(STEADY, [0.3, 0.31])
    assert not drift.warns
    assert "with fewer than 20 images only gross changes can show" in str(drift)


def test_no_images_are_refused() -> None:
    with pytest.raises(DataError, match="no recent scores"):
        measure_drift(STEADY, [])
