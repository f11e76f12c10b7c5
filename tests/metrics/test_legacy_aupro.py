"""AUPRO ``legacy-200`` against the text of METHOD 8.8, written out naively."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.metrics import auc

from faprompt.errors import MetricError
from faprompt.metrics.legacy import legacy_aupro
from faprompt.metrics.pixel import MapAndMask, pixel_metrics

Pairs = list[MapAndMask]
EIGHT = np.ones((3, 3))


def naive(pairs: Pairs) -> float:
    """Loop over 200 thresholds, images and regions."""
    values = np.stack([m for m, _ in pairs]).astype(np.float64)
    masks = np.stack([m for _, m in pairs])
    rates, overlaps = [], []
    for threshold in np.arange(values.min(), values.max(), (values.max() - values.min()) / 200):
        found = values > threshold
        shares = []
        for one, mask in zip(found, masks, strict=True):
            labels, number = ndimage.label(mask, EIGHT)
            shares += [one[labels == r].mean() for r in range(1, number + 1)]
        rates.append((found & ~masks).sum() / (~masks).sum())
        overlaps.append(np.mean(shares))
    kept = np.array(rates) < 0.3
    rate, overlap = np.array(rates)[kept], np.array(overlaps)[kept]
    return float(auc((rate - rate.min()) / (rate.max() - rate.min()), overlap))


def made_up(seed: int, *, peaked: bool = False) -> Pairs:
    """Noise that is a little higher where the defects are."""
    rng = np.random.default_rng(seed)
    pairs = []
    for number in range(4):
        mask = np.zeros((24, 24), dtype=np.bool_)
        if number:
            mask[2:6, 3 : 5 + number] = mask[15:20, 15:22] = True
            mask[6, 2] = True  # touches the first region by a corner
        values = rng.random((24, 24)) + 0.5 * mask
        values = values**8 if peaked else values
        pairs.append((values.astype(np.float32), mask))
    return pairs


def again(pairs: Pairs) -> Callable[[], Pairs]:
    return lambda: pairs


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("peaked", [False, True])
def test_equals_the_naive_text(seed: int, peaked: bool) -> None:
    pairs = made_up(seed, peaked=peaked)
    assert legacy_aupro(again(pairs)) == pytest.approx(naive(pairs), abs=1e-9)


def test_it_is_another_number_than_the_exact_one() -> None:
    pairs = made_up(0, peaked=True)
    exact = pixel_metrics(again(pairs)).pixel_aupro
    assert exact is not None
    assert abs(legacy_aupro(again(pairs)) - exact) > 0.01


def _blank(value: NDArray[np.float32], *, defect: bool) -> Pairs:
    return [(value, np.full(value.shape, defect))]


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        (_blank(np.ones((2, 2), np.float32), defect=True), "fewer than two different values"),
        (_blank(np.eye(2, dtype=np.float32), defect=True), "no normal pixels"),
        (_blank(np.eye(2, dtype=np.float32), defect=False), "no defect pixels"),
        ([], "fewer than two different values"),
    ],
)
def test_undefined_values_say_why(pairs: Pairs, reason: str) -> None:
    with pytest.raises(MetricError, match=reason):
        legacy_aupro(again(pairs))


def test_rates_that_cannot_be_stretched_are_undefined() -> None:
    values = np.array(
        [[0, 1], [1, 1]], dtype=np.float32
    )  # every threshold finds two of the three normal pixels
    mask = np.array([[False, True], [False, False]])
    with pytest.raises(MetricError, match="fewer than two thresholds"):
        legacy_aupro(again([(values, mask)]))
