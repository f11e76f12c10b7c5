"""Resampled metrics against scikit-learn and the exact metrics, on images really repeated."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from faprompt.metrics.bootstrap import (
    PixelBins,
    bin_maps,
    image_samples,
    pixel_samples,
    resample_counts,
)
from faprompt.metrics.pixel import MapAndMask, pixel_metrics

LABELS = np.array([0, 0, 0, 0, 1, 1, 1])
RESAMPLES = 8


@pytest.fixture(scope="module")
def pairs() -> list[MapAndMask]:
    rng = np.random.default_rng(1)
    made = []
    for label in LABELS:
        mask = np.zeros((40, 40), dtype=np.bool_)
        if label:
            top, left = rng.integers(0, 25, 2)
            mask[top : top + 9, left : left + 6] = mask[38, 1:4] = True
        made.append(((rng.random((40, 40)) + 0.4 * mask).astype(np.float32), mask))
    return made


@pytest.fixture(scope="module")
def bins(pairs: list[MapAndMask]) -> PixelBins:
    return bin_maps(lambda: pairs, len(pairs))


@pytest.fixture(scope="module")
def counts() -> NDArray[np.float64]:
    return resample_counts(LABELS, resamples=RESAMPLES, seed=3)


def test_resamples_keep_the_number_of_each_kind(counts: NDArray[np.float64]) -> None:
    assert (counts[:, LABELS == 0].sum(axis=1) == 4).all()
    assert (counts[:, LABELS == 1].sum(axis=1) == 3).all()
    assert len(np.unique(counts, axis=0)) > 1


def test_the_same_seed_draws_the_same_images(counts: NDArray[np.float64]) -> None:
    assert np.array_equal(counts, resample_counts(LABELS, resamples=RESAMPLES, seed=3))
    assert not np.array_equal(counts, resample_counts(LABELS, resamples=RESAMPLES, seed=4))


def test_image_metrics_equal_scikit_learn_s_on_repeated_images(
    counts: NDArray[np.float64],
) -> None:
    scores = np.array([0.1, 0.5, 0.5, 0.7, 0.5, 0.6, 0.9])  # with ties across the kinds
    found = image_samples(scores, LABELS, counts)
    for r, row in enumerate(counts.astype(int)):
        y, s = np.repeat(LABELS, row), np.repeat(scores, row)
        precision, recall, _ = precision_recall_curve(y, s)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        assert found["image_auroc"][r] == pytest.approx(roc_auc_score(y, s))
        assert found["image_ap"][r] == pytest.approx(average_precision_score(y, s))
        assert found["image_f1max"][r] == pytest.approx(f1.max())


def test_pixel_metrics_are_within_the_error_of_the_bins_on_repeated_maps(
    pairs: list[MapAndMask], bins: PixelBins, counts: NDArray[np.float64]
) -> None:
    found = pixel_samples(bins, counts)
    for r, row in enumerate(counts.astype(int)):
        repeated = [pair for pair, times in zip(pairs, row, strict=True) for _ in range(times)]
        exact = pixel_metrics(_again(repeated), tolerance=1e-6)
        y, s = (np.concatenate([p[i].ravel() for p in repeated]) for i in (1, 0))
        assert found["pixel_auroc"][r] == pytest.approx(roc_auc_score(y, s), abs=1e-3)
        assert found["pixel_aupro"][r] == pytest.approx(exact.pixel_aupro, abs=2e-3)


def test_the_error_of_the_bins_is_bounded_and_small(
    pairs: list[MapAndMask], bins: PixelBins
) -> None:
    exact = pixel_metrics(lambda: pairs)
    found = pixel_samples(bins, np.ones((1, len(pairs))))
    limits = bins.error_limits()
    for name, limit in limits.items():
        assert abs(found[name][0] - getattr(exact, name)) <= limit < 0.005


def test_equal_values_share_a_bin_and_cost_nothing() -> None:
    mask = np.array([[True, True, False, False]])
    pair = (np.array([[2, 1, 1, 0]], dtype=np.float32), mask)
    found = pixel_samples(bin_maps(lambda: [pair], 1), np.ones((1, 1)))
    assert found["pixel_auroc"].tolist() == [0.875]


def test_a_resample_without_defect_pixels_is_not_a_number(bins: PixelBins) -> None:
    found = pixel_samples(bins, np.array([[1.0, 0, 0, 0, 0, 0, 0]]))
    assert np.isnan(found["pixel_auroc"]).all()
    assert np.isnan(found["pixel_aupro"]).all()


def _again(pairs: list[MapAndMask]) -> Callable[[], list[MapAndMask]]:
    return lambda: pairs
