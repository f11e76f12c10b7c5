"""AUROC, AP and F1-max against scikit-learn, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from faprompt.errors import MetricError
from faprompt.metrics.ranking import auroc, average_precision, f1_max

METRICS = [auroc, average_precision, f1_max]
TIED_SCORES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1)), min_size=2, max_size=60)


def best_f1(labels: np.ndarray, scores: np.ndarray) -> float:
    precision, recall, _ = precision_recall_curve(labels, scores)
    with np.errstate(invalid="ignore"):
        return float(np.nanmax(2 * precision * recall / (precision + recall)))


@settings(max_examples=100)
@given(TIED_SCORES.filter(lambda items: len({label for _, label in items}) == 2))
def test_agrees_with_scikit_learn_with_and_without_ties(items: list[tuple[int, int]]) -> None:
    scores, labels = np.array(items).T
    assert auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))
    assert average_precision(scores, labels) == pytest.approx(
        average_precision_score(labels, scores)
    )
    assert f1_max(scores, labels) == pytest.approx(best_f1(labels, scores))


def test_golden_values() -> None:
    # By hand. Pairs (normal, anomalous): 0.1 < 0.4, 0.1 < 0.8, 0.4 = 0.4, 0.4 < 0.8 -> 3.5 of 4.
    scores, labels = [0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1]
    assert auroc(scores, labels) == 3.5 / 4
    assert average_precision(scores, labels) == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)
    assert f1_max(scores, labels) == pytest.approx(2 * 2 / (3 + 2))


@pytest.mark.parametrize("metric", METRICS)
def test_only_the_order_of_scores_matters(metric) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(0)
    scores, labels = rng.random(50), rng.integers(0, 2, 50)
    assert metric(scores, labels) == pytest.approx(metric(np.exp(5 * scores) - 3, labels))
    order = rng.permutation(50)
    assert metric(scores, labels) == pytest.approx(metric(scores[order], labels[order]))


def test_upside_down_scores_turn_auroc_around() -> None:
    rng = np.random.default_rng(1)
    scores, labels = rng.integers(0, 5, 40), rng.integers(0, 2, 40)
    assert auroc(-scores, labels) == pytest.approx(1 - auroc(scores, labels))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("scores", "labels", "text"),
    [
        ([], [], "there are no scores"),
        ([0.1, 0.2], [0, 0], "all 2 items are normal; needed are both"),
        ([0.1, 0.2], [1, 1], "all 2 items are anomalous; needed are both"),
        ([0.1, float("nan")], [0, 1], "1 scores are not finite"),
        ([0.1, 0.2], [0, 2], r"labels are \[2\]; needed are 0 and 1"),
        ([0.1, 0.2], [0], r"shape \(2,\) and labels \(1,\)"),
    ],
)
def test_undefined_is_refused_with_the_reason(metric, scores, labels, text) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MetricError, match=text):
        metric(scores, labels)
