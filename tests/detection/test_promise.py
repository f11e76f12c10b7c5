"""The promise on real images: 400 random splits of magnetic tiles without defects. Needs data.

Splits of one set of scores keep exactly what conformal thresholds assume: exchangeable images. The
number of false alarms among N held-out images then follows the beta-binomial law with
Beta(m, n + 1 - m) for the rate, exactly, as long as no scores are tied.
"""

import math
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from faprompt.data.products import images_by_product
from faprompt.detection.calibration import allowed_above, threshold_for
from faprompt.detection.calibrator import score, unique
from faprompt.detection.decision import Scored
from faprompt.detection.detector import Detector

FOLDER = os.environ.get("FAPROMPT_DATA")  # empty is none
pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER, reason="FAPROMPT_DATA names no folder"),
]
SPLITS = 400
HELD_OUT = 160
Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def normal() -> list[Scored]:
    """All 560 normal tiles, scored once by the embedded model."""
    products = images_by_product(str(Path(FOLDER or ".") / "data" / "magnetic_tile"), label=0)
    images = unique(products["magnetic_tile"], lambda *_: None)
    assert len(images) > 550
    detector = Detector.load("tiny", device="cpu")
    return list(score(detector, images, on_error=lambda *_: None))


def false_alarms(scores: Floats, rate: float, confidence: float | None) -> Floats:
    """False alarms among the held-out images of every split, (SPLITS,)."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(SPLITS):
        shuffled = rng.permutation(scores)
        threshold = threshold_for(shuffled[HELD_OUT:], rate, confidence=confidence)
        found.append(np.count_nonzero(shuffled[:HELD_OUT] >= threshold))
    return np.array(found, dtype=np.float64)


@pytest.mark.parametrize("confidence", [None, 0.9])
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("kind", ["image_score", "peak"])
def test_false_alarms_of_real_images(
    normal: list[Scored], kind: str, rate: float, confidence: float | None
) -> None:
    scores = np.array([getattr(image, kind) for image in normal])
    count = false_alarms(scores, rate, confidence)
    rates = count / HELD_OUT
    assert rates.mean() <= rate + 3 * rates.std() / math.sqrt(SPLITS)

    number = len(scores) - HELD_OUT
    allowed = allowed_above(number, rate, confidence=confidence)
    law = stats.betabinom(HELD_OUT, allowed, number + 1 - allowed)
    assert len(np.unique(scores)) > 0.99 * len(scores)  # next to no ties: the law holds
    # Not only not too many: as many, and as widely spread, as the law says.
    error = 4 / math.sqrt(SPLITS)
    assert abs(count.mean() - law.mean()) <= error * law.std()
    assert law.std() * 0.85 <= count.std() <= law.std() * 1.15
    values = np.arange(HELD_OUT + 1)
    distance = np.abs(np.searchsorted(np.sort(count), values, "right") / SPLITS - law.cdf(values))
    assert distance.max() <= 1.63 / math.sqrt(SPLITS)  # Kolmogorov's bound at 1 in 100


def test_a_wrong_rank_would_be_seen(normal: list[Scored]) -> None:
    """The quantile that is usually taken, without the finite-sample correction, breaks it."""
    scores = np.array([image.image_score for image in normal])
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(SPLITS):
        shuffled = rng.permutation(scores)
        threshold = np.quantile(shuffled[:30], 0.9)  # few images, as usual
        rates.append(np.mean(shuffled[30:] >= threshold))
    assert np.mean(rates) > 0.1 + 3 * np.std(rates) / math.sqrt(SPLITS)
