"""Pixel metrics against scikit-learn and a naive exact AUPRO, and their error limits."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, label
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from faprompt.errors import MetricError
from faprompt.metrics.pixel import PixelMetrics, PixelResult, pixel_metrics

Pairs = list[tuple[np.ndarray, np.ndarray]]
Shape = Callable[[np.ndarray], np.ndarray]
KEYS = ["pixel_auroc", "pixel_ap", "pixel_f1max", "pixel_aupro"]

# From scores of about -3 to 3 to maps that are hard in different ways.
SHAPES: dict[str, Shape] = {
    "probability": lambda x: 1 / (1 + np.exp(-x)),
    "peaked": lambda x: (1 / (1 + np.exp(-x))) ** 20,
    "tied": lambda x: np.round(x) / 8 + 0.5,
    "constant": lambda x: np.full_like(x, 0.3),
    "saturated": lambda x: np.clip(x, 0, 1),
    "around one half": lambda x: 0.5 + 1e-3 * np.tanh(x),
    "around one half, 16 floats": lambda x: 0.5 + 1e-6 * np.tanh(x),
    "negative": lambda x: -np.exp(x),
}


def make_pairs(seed: int, shape: Shape, *, count: int = 4, side: int = 32) -> Pairs:
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        mask = gaussian_filter(rng.standard_normal((side, side)), 2) > 0.25
        mask[0, 0], mask[-1, -1] = True, False
        x = gaussian_filter(rng.standard_normal((side, side)), 1) * 3 + mask
        pairs.append((shape(x).astype(np.float32), mask))
    return pairs


def naive_aupro(pairs: Pairs, fpr_limit: float) -> float:
    """Exact: every distinct threshold, every region by itself, trapezoids cut at the limit."""
    regions = []
    for values, mask in pairs:
        labels, count = label(mask, structure=np.ones((3, 3)))
        regions += [np.sort(values[labels == i]) for i in range(1, count + 1)]
    negatives = np.sort(np.concatenate([values[~mask] for values, mask in pairs]))
    thresholds = np.unique(np.concatenate([values.ravel() for values, _ in pairs]))[::-1]

    def share_above(ordered: np.ndarray) -> np.ndarray:
        return 1 - np.searchsorted(ordered, thresholds, side="left") / ordered.size

    rate = np.concatenate([[0], share_above(negatives)])
    overlap = np.concatenate([[0], np.mean([share_above(region) for region in regions], axis=0)])
    area = 0.0
    for x0, x1, y0, y1 in zip(rate[:-1], rate[1:], overlap[:-1], overlap[1:], strict=True):
        if x0 >= fpr_limit:
            break
        if x1 > fpr_limit:
            y1 = y0 + (y1 - y0) * (fpr_limit - x0) / (x1 - x0)
            x1 = fpr_limit
        area += (x1 - x0) * (y0 + y1) / 2
    return area / fpr_limit


def exact(pairs: Pairs, fpr_limit: float = 0.3) -> dict[str, float]:
    scores = np.concatenate([values.ravel() for values, _ in pairs])
    labels = np.concatenate([mask.ravel() for _, mask in pairs])
    precision, recall, _ = precision_recall_curve(labels, scores)
    return {
        "pixel_auroc": roc_auc_score(labels, scores),
        "pixel_ap": average_precision_score(labels, scores),
        "pixel_f1max": (2 * precision * recall / np.maximum(precision + recall, 1e-12)).max(),
        "pixel_aupro": naive_aupro(pairs, fpr_limit),
    }


def accumulate(pairs: Pairs, metrics: PixelMetrics | None = None) -> PixelMetrics:
    metrics = metrics or PixelMetrics()
    for values, mask in pairs:
        metrics.update(values, mask)
    return metrics


def assert_within_limits(result: PixelResult, truth: dict[str, float]) -> None:
    for key in KEYS:
        assert abs(getattr(result, key) - truth[key]) <= result.error_limits[key] + 1e-9, key


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_one_pass_keeps_the_limits_it_states(shape: Shape) -> None:
    pairs = make_pairs(0, shape)
    assert_within_limits(accumulate(pairs).compute(), exact(pairs))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_with_refinement_every_metric_is_within_the_tolerance(shape: Shape) -> None:
    pairs = make_pairs(1, shape)
    result = pixel_metrics(lambda: pairs)
    assert result.largest_error_limit <= 1e-4
    assert_within_limits(result, exact(pairs))


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**31),
    centre=st.sampled_from([0.0, 1e-3, 0.3, 0.5, 1.0, 40.0]),
    spread=st.sampled_from([1e-7, 1e-5, 1e-3, 0.3]),
    fpr_limit=st.sampled_from([0.01, 0.3, 1.0]),
)
def test_stated_limits_always_hold(
    seed: int, centre: float, spread: float, fpr_limit: float
) -> None:
    pairs = make_pairs(seed, lambda x: centre + spread * x, count=2, side=12)
    truth = exact(pairs, fpr_limit)
    coarse = accumulate(pairs, PixelMetrics(fpr_limit))
    assert_within_limits(coarse.compute(), truth)
    assert_within_limits(accumulate(pairs, coarse.refined(1e-9)).compute(), truth)


def test_maps_around_one_half_need_a_second_pass_and_get_one() -> None:
    pairs = make_pairs(2, SHAPES["around one half, 16 floats"])
    passes = 0

    def one_more_pass() -> Pairs:
        nonlocal passes
        passes += 1
        return pairs

    result = pixel_metrics(one_more_pass)
    assert accumulate(pairs).compute().largest_error_limit > 0.1
    assert passes == 2
    assert result.largest_error_limit == 0


@pytest.mark.parametrize("shape", ["tied", "constant"])
def test_true_ties_have_no_error(shape: str) -> None:
    result = accumulate(make_pairs(3, SHAPES[shape])).compute()
    assert result.largest_error_limit == 0


def test_golden_values() -> None:
    # Two regions, of 1 and 2 pixels; 4 normal pixels. Highest first: the small region (overlap
    # 1/2), normal (FPR 1/4), half of the large region (3/4), normal (1/2), ...
    values = np.array([[0.9, 0.1, 0.7, 0.5], [0.8, 0.6, 0.2, 0.3]])
    mask = np.array([[1, 0, 1, 1], [0, 0, 0, 0]], dtype=bool)
    result = accumulate([(values, mask)]).compute()
    negatives = 5
    overlap = [0.5, 0.75, 1.0]  # while the 1st, 2nd, 3rd normal pixel is passed
    assert result.pixel_aupro == pytest.approx((0.2 * overlap[0] + 0.1 * overlap[1]) / 0.3)
    assert result.pixel_auroc == pytest.approx((5 + 4 + 3) / (3 * negatives))
    assert result.pixel_ap == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert result.pixel_f1max == pytest.approx(2 * 3 / (5 + 3))
    assert (result.maps, result.regions) == (1, 2)


def test_perfect_and_upside_down_maps() -> None:
    mask = make_pairs(4, SHAPES["probability"])[0][1]
    perfect = accumulate([(mask.astype(np.float32), mask)]).compute()
    assert [getattr(perfect, key) for key in KEYS] == pytest.approx([1, 1, 1, 1])
    worst = accumulate([((~mask).astype(np.float32), mask)]).compute()
    assert (worst.pixel_auroc, worst.pixel_aupro) == pytest.approx((0, 0))


def test_only_the_order_of_values_matters() -> None:
    pairs = make_pairs(5, SHAPES["tied"])
    stretched = [(np.exp(3 * values) - 2, mask) for values, mask in pairs]
    one, other = accumulate(pairs).compute(), accumulate(stretched).compute()
    for key in KEYS:
        assert getattr(one, key) == pytest.approx(getattr(other, key))


def test_the_order_of_updates_does_not_matter() -> None:
    pairs = make_pairs(6, SHAPES["peaked"]) + make_pairs(7, SHAPES["negative"])
    one, other = accumulate(pairs).compute(), accumulate(pairs[::-1]).compute()
    for key in KEYS:
        assert getattr(one, key) == pytest.approx(getattr(other, key), abs=1e-12)
        assert one.error_limits[key] == pytest.approx(other.error_limits[key], abs=1e-12)


def test_zero_and_minus_zero_are_equal() -> None:
    values, mask = np.array([[0.0, -0.0]]), np.array([[True, False]])
    assert accumulate([(values, mask)]).compute().pixel_auroc == 0.5


def test_memory_does_not_grow_with_the_number_of_maps() -> None:
    pairs = make_pairs(8, SHAPES["probability"])
    few, many = accumulate(pairs), accumulate(pairs * 10)
    assert few._histogram.mixed.size == many._histogram.mixed.size
    assert many.compute().pixel_aupro == pytest.approx(few.compute().pixel_aupro)


@pytest.mark.parametrize(
    ("masks", "reason"),
    [
        ([], "no image has a known mask"),
        ([np.zeros((2, 2), dtype=bool)], "no defect pixels: every mask is empty"),
        ([np.ones((2, 2), dtype=bool)], "no normal pixels"),
    ],
)
def test_undefined_metrics_are_none_with_the_reason(masks: list[np.ndarray], reason: str) -> None:
    pairs = [(np.zeros((2, 2), dtype=np.float32), mask) for mask in masks]
    result = pixel_metrics(lambda: pairs)
    assert [getattr(result, key) for key in KEYS] == [None] * 4
    assert list(result.undefined) == KEYS
    assert all(text.startswith(reason) for text in result.undefined.values())


@pytest.mark.parametrize(
    ("values", "mask", "text"),
    [
        (np.zeros((2, 2)), np.zeros((2, 3), dtype=bool), r"shape \(2, 2\) and mask \(2, 3\)"),
        (np.zeros((1, 2, 2)), np.zeros((1, 2, 2), dtype=bool), r"needed is the same \(H, W\)"),
        (np.zeros((2, 2)), np.zeros((2, 2)), "mask is float64; needed is bool"),
        (np.full((2, 2), np.nan), np.zeros((2, 2), dtype=bool), "4 values that are not finite"),
    ],
)
def test_bad_input_is_refused_and_not_counted(
    values: np.ndarray, mask: np.ndarray, text: str
) -> None:
    metrics = PixelMetrics()
    with pytest.raises(MetricError, match=text):
        metrics.update(values.astype(np.float32), mask)
    assert metrics.compute().maps == 0


@pytest.mark.parametrize("limit", [0, -1, 1.5, float("nan")])
def test_a_limit_out_of_range_is_refused(limit: float) -> None:
    with pytest.raises(MetricError, match="needed is a rate above 0 and up to 1"):
        PixelMetrics(limit)
