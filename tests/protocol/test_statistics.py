"""Means, intervals and differences, against resamples made by hand."""

import statistics
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from faprompt.metrics.bootstrap import resample_counts
from faprompt.protocol.cells import CellStore, ClassPart
from faprompt.protocol.statistics import ALL_METRICS, SEED, Measured, compare, measure

LABELS = np.repeat([0, 1], 20)


def part(name: str, scores: np.ndarray, labels: np.ndarray = LABELS) -> ClassPart:
    """A class with image metrics alone."""
    values: dict[str, float | None] = dict.fromkeys(ALL_METRICS)
    values["image_auroc"] = float(roc_auc_score(labels, scores))
    values["image_ap"] = values["image_f1max"] = 0.5
    undefined = {m: "no masks" for m, value in values.items() if value is None}
    return ClassPart(
        facts={"name": name, "values": values, "undefined": undefined, "images": len(labels)},
        paths=[str(i) for i in range(len(labels))],
        labels=labels,
        scores=scores,
        known=np.zeros(0, dtype=np.int64),
        bins=None,
    )


def noisy(seed: int, shift: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=LABELS.size) + shift * LABELS


def measured(folder: Path, *cells: list[ClassPart], resamples: int = 200) -> Measured:
    store = CellStore(folder / "cells")
    for number, parts in enumerate(cells):
        for index, one in enumerate(parts):
            store.write_part(f"cell{number}", index, one)
        store.finish(f"cell{number}", {}, {})
    return measure(store, [f"cell{n}" for n in range(len(cells))], resamples=resamples)


def test_mean_over_classes_then_mean_and_deviation_over_seeds(tmp_path: Path) -> None:
    cells = [[part("a", noisy(s)), part("b", noisy(s + 10))] for s in range(3)]
    each = [statistics.fmean(float(roc_auc_score(LABELS, p.scores)) for p in c) for c in cells]
    found = measured(tmp_path, *cells).summaries["image_auroc"]
    assert found.mean == pytest.approx(statistics.fmean(each))
    assert found.std == pytest.approx(statistics.stdev(each))
    assert found.seeds == 3


def test_resamples_are_means_over_classes_of_images_really_repeated(tmp_path: Path) -> None:
    parts = [part("a", noisy(1)), part("b", noisy(2))]
    found = measured(tmp_path, parts, resamples=100).samples["image_auroc"]
    counts = [resample_counts(LABELS, resamples=100, seed=SEED + i).astype(int) for i in (0, 1)]
    for r in range(5):
        each = [
            roc_auc_score(np.repeat(p.labels, c[r]), np.repeat(p.scores, c[r]))
            for p, c in zip(parts, counts, strict=True)
        ]
        assert found[0, r] == pytest.approx(statistics.fmean(each))


def test_an_interval_holds_its_figure_and_one_seed_has_no_deviation(tmp_path: Path) -> None:
    found = measured(tmp_path, [part("a", noisy(1))]).summaries["image_auroc"]
    assert found.interval is not None
    assert found.mean is not None
    assert found.interval[0] < found.mean < found.interval[1]
    assert found.std is None


def test_undefined_metrics_carry_the_reason(tmp_path: Path) -> None:
    found = measured(tmp_path, [part("a", noisy(1))]).summaries["pixel_auroc"]
    assert (found.mean, found.interval, found.reason) == (None, None, "no masks")


def test_a_method_is_not_better_than_itself(tmp_path: Path) -> None:
    same = measured(tmp_path, [part("a", noisy(1))])
    found = compare(same, same, "image_auroc")
    assert found is not None
    assert (found.value, found.verdict, found.p_value) == (0, 0, 1)


def test_a_clear_difference_is_told_either_way_round(tmp_path: Path) -> None:
    good = measured(tmp_path / "good", [part("a", noisy(1, shift=4))])
    bad = measured(tmp_path / "bad", [part("a", noisy(2, shift=0))])
    ahead, behind = compare(good, bad, "image_auroc"), compare(bad, good, "image_auroc")
    assert ahead is not None
    assert behind is not None
    assert (ahead.verdict, behind.verdict) == (1, -1)
    assert ahead.p_value == behind.p_value == pytest.approx(2 / 201)
    assert ahead.value == pytest.approx(-behind.value)


def test_pairing_tells_what_apart_intervals_cannot(tmp_path: Path) -> None:
    """The same scores but for a little: intervals overlap, the paired difference does not."""
    scores = noisy(1)
    worse = scores - 0.4 * LABELS
    first = measured(tmp_path / "a", [part("a", scores)])
    second = measured(tmp_path / "b", [part("a", worse)])
    one, other = first.summaries["image_auroc"].interval, second.summaries["image_auroc"].interval
    found = compare(first, second, "image_auroc")
    assert one is not None
    assert other is not None
    assert found is not None
    assert one[0] < other[1]
    assert found.verdict == 1


def test_a_lucky_seed_does_not_make_a_better_method(tmp_path: Path) -> None:
    steady = measured(tmp_path / "a", *[[part("a", noisy(1, shift=1.0))]] * 2)
    wild = measured(
        tmp_path / "b", [part("a", noisy(1, shift=-2.0))], [part("a", noisy(1, shift=3.0))]
    )
    found = compare(steady, wild, "image_auroc")
    assert found is not None
    assert found.value > 0.1
    assert found.verdict == 0


def test_what_is_undefined_is_not_compared(tmp_path: Path) -> None:
    same = measured(tmp_path, [part("a", noisy(1))])
    assert compare(same, same, "pixel_auroc") is None
