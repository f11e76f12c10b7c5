"""bf16 against fp32 on real images: how little metrics move. Needs FAPROMPT_DATA.

The mark, 0.1 points, is missed by pixel AP and F1 of hazelnut_toy, a set of 23 images. Whole data
sets are in docs/performance.md. Here a fixed part of each is judged at pixel level and
by its scores: image metrics of so few move in larger steps (a pair of images that changes places).
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faprompt.data.datasets import load_dataset
from faprompt.data.samples import Dataset
from faprompt.detection.detector import Detector
from faprompt.detection.evaluation import evaluate
from faprompt.detection.figures import PIXEL_METRICS

FOLDER = os.environ.get("FAPROMPT_DATA")  # empty is none
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not FOLDER, reason="FAPROMPT_DATA names no folder"),
]
DATA = Path(FOLDER or ".") / "data"
EACH = 24  # images of either label
POINTS = 0.001  # a tenth of a percentage point
FEW = {
    ("hazelnut_toy", "pixel_ap"): 0.003,
    ("hazelnut_toy", "pixel_f1max"): 0.003,
    ("bsdata", "pixel_ap"): 0.002,
    ("bsdata", "pixel_f1max"): 0.002,
}
"""What moves more than it should on so few images; 0.0018, 0.0026, 0.0011 and 0.0011 were measured.
On all images of both sets less than ``POINTS`` was (docs/performance.md)."""
SCORES = 0.02  # largest change of an image score (0.011 was measured)


@pytest.fixture(scope="module")
def detectors() -> list[Detector]:
    return [Detector.load("tiny", device="cpu", precision=p) for p in ("fp32", "bf16")]


def part(dataset: Dataset) -> Dataset:
    """Every so many images of either label."""
    chosen = []
    for label in (0, 1):
        found = [s for s in dataset.samples if s.label == label]
        chosen += found[:: max(1, len(found) // EACH)][:EACH]
    return replace(dataset, samples=tuple(chosen))


@pytest.mark.parametrize("name", ["hazelnut_toy", "bsdata", "magnetic_tile", "kvasir_seg"])
def test_pixel_metrics_do_not_move(name: str, detectors: list[Detector]) -> None:
    dataset = load_dataset(DATA / name)
    dataset = dataset if name == "hazelnut_toy" else part(dataset)
    exact, rough = (evaluate(detector, dataset) for detector in detectors)
    before, after = exact.mean()[0], rough.mean()[0]
    moved = {m: abs(after[m] - before[m]) for m in PIXEL_METRICS}  # type: ignore[operator]
    assert all(moved[m] <= FEW.get((name, m), POINTS) for m in moved), moved
    scores = [[s for *_, s in r.classes[0].scores] for r in (exact, rough)]
    assert np.abs(np.subtract(scores[0], scores[1])).max() <= SCORES


def test_similarities_and_maps_are_fp32_in_bf16(detectors: list[Detector]) -> None:
    """The towers alone are bf16: their features are, and nothing that is made of them."""
    import torch

    detector = detectors[1]
    with torch.inference_mode():
        dual = detector.backbone.clip.visual.dual(torch.zeros(1, 3, 256, 256))
        scores = detector.network(dual.image, dual.patches())
    assert dual.image.dtype is dual.patches().dtype is torch.bfloat16
    kept = (scores.first, scores.second, scores.image_logits, scores.image_score, scores.prior)
    assert {t.dtype for t in (*kept, scores.prototypes)} == {torch.float32}
    assert scores.anomaly_map(256, blur_sigma=10.0).dtype is torch.float32
