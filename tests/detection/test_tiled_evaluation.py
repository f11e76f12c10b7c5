"""Evaluation by windows: of the merged maps; as ever where an image is one window."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from faprompt.data.datasets import load_dataset
from faprompt.detection.detector import Detector
from faprompt.detection.evaluation import Settings, evaluate
from faprompt.detection.look import Look
from faprompt.detection.tiled_samples import scored_samples
from faprompt.detection.tiling import Tiling
from faprompt.errors import ConfigError


def test_images_no_larger_than_a_window_give_the_same_figures(
    detector: Detector, folder: Path
) -> None:
    dataset = load_dataset(str(folder))
    plain = evaluate(detector, dataset, Settings())
    tiled = evaluate(detector, dataset, Settings(tiling=Tiling(tile=64)))
    assert tiled.mean() == plain.mean()
    assert tiled.classes[0].scores == plain.classes[0].scores


def test_figures_are_those_of_the_merged_maps(detector: Detector, folder: Path) -> None:
    tiling = Tiling(tile=20)
    dataset = load_dataset(str(folder))
    [result] = evaluate(detector, dataset, Settings(tiling=tiling)).classes
    samples = dataset.of_class(result.name)
    scored = scored_samples(detector, samples, batch_size=3, workers=0, tiling=tiling)
    for looked, (path, label, score) in zip(scored, result.scores, strict=True):
        expected = detector.predict(path, look=Look(tiling=tiling))
        assert looked.sample.label == label
        assert score == pytest.approx(expected.image_score, abs=1e-6)
        scaled = Image.fromarray(expected.anomaly_map).resize((64, 64), Image.Resampling.BILINEAR)
        assert looked.anomaly_map is not None
        np.testing.assert_allclose(looked.anomaly_map, np.asarray(scaled), atol=1e-5)
        assert looked.gt_mask is not None
        assert looked.gt_mask.any() == bool(label)


def test_an_unreadable_mask_or_image_costs_no_other(detector: Detector, folder: Path) -> None:
    (folder / "ground_truth" / "hole" / "0_mask.png").write_bytes(b"no image")
    (folder / "test" / "good" / "0.png").write_bytes(b"no image")
    done: list[int] = []
    found = evaluate(
        detector,
        load_dataset(str(folder)),
        Settings(tiling=Tiling(tile=20)),
        progress=done.append,
    )
    assert found.images == 2
    assert sorted(Path(path).name for path in found.unreadable) == ["0.png", "0.png"]
    assert sum(done) == 4


def test_what_cannot_look_by_windows_says_so(folder: Path) -> None:
    blind: Any = object()
    asked: dict[str, Any] = {"batch_size": 1, "workers": 0, "tiling": Tiling(tile=20)}
    with pytest.raises(ConfigError, match="object cannot look by windows; leave --tile away"):
        list(scored_samples(blind, [], **asked))
