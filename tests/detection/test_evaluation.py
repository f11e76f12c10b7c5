"""Evaluation: figures against scikit-learn, honest gaps, the spool."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from faprompt.data.datasets import load_dataset
from faprompt.data.masks import read_mask
from faprompt.detection.detector import Detector
from faprompt.detection.evaluation import Settings, evaluate
from faprompt.detection.figures import METRICS
from faprompt.detection.spool import MapSpool
from faprompt.errors import DataError


def test_figures_equal_scikit_learn_s(detector: Detector, folder: Path) -> None:
    dataset = load_dataset(folder)
    result = evaluate(detector, dataset, Settings(batch_size=3)).classes[0]
    maps, masks, scores, labels = [], [], [], []
    for sample in dataset.samples:
        score, anomaly_map = detector.score(detector.read(sample.image_path)[1][None])
        mask = read_mask(sample, 64)
        assert mask is not None
        maps.append(anomaly_map[0].numpy())
        masks.append(mask)
        scores.append(score.item())
        labels.append(sample.label)
    pixel = roc_auc_score(np.ravel(masks), np.ravel(maps))
    assert result.values["pixel_auroc"] == pytest.approx(pixel, abs=1e-4)
    assert result.values["image_auroc"] == pytest.approx(roc_auc_score(labels, scores))
    assert result.undefined == {}


def test_plain_values_have_every_key(detector: Detector, folder: Path) -> None:
    values = evaluate(detector, load_dataset(folder)).to_dict()
    assert set(values["classes"]) == {"part"}
    for figures in (values["classes"]["part"], values["mean"]):
        assert set(METRICS) <= set(figures)
        assert figures["undefined"] == {}
    assert values["mean"]["pixel_aupro"] == values["classes"]["part"]["pixel_aupro"]
    counts = {"normal": 2, "anomalous": 2, "images": 4, "unreadable": 0, "unknown_masks": 0}
    assert counts.items() <= values["counts"].items()


def test_a_kind_of_defect_is_measured_as_if_there_were_no_other(
    detector: Detector, folder: Path
) -> None:
    for part in ("test", "ground_truth"):
        (folder / part / "cut").mkdir()
    (folder / "test" / "hole" / "1.png").rename(folder / "test" / "cut" / "1.png")
    mask = folder / "ground_truth" / "hole" / "1_mask.png"
    mask.rename(folder / "ground_truth" / "cut" / "1_mask.png")
    (folder / "test" / "cut" / "2.png").write_bytes((folder / "test/hole/0.png").read_bytes())
    dataset = load_dataset(folder)  # the third image with a defect has no mask
    each = Settings(batch_size=1)  # batches of others would round otherwise
    (result,) = evaluate(detector, dataset, replace(each, by_type=True)).classes
    assert [one.name for one in result.types] == ["cut", "hole"]
    assert sum(one.defect_pixels for one in result.types) == result.defect_pixels
    for one in result.types:
        kept = tuple(s for s in dataset.samples if s.anomaly_type in {"good", one.name})
        (alone,) = evaluate(detector, replace(dataset, samples=kept), each).classes
        assert one.to_dict() == alone.to_dict()
        assert alone.types == ()


def test_the_only_kind_of_defect_has_the_figures_of_its_class(
    detector: Detector, folder: Path
) -> None:
    (result,) = evaluate(detector, load_dataset(folder), Settings(by_type=True)).classes
    values = result.to_dict()
    assert values.pop("types") == {"hole": values}


def test_missing_masks_are_unknown_never_no_defect(detector: Detector, folder: Path) -> None:
    for mask in (folder / "ground_truth" / "hole").iterdir():
        mask.unlink()
    result = evaluate(detector, load_dataset(folder)).classes[0]
    assert result.values["pixel_auroc"] is None
    assert result.undefined["pixel_auroc"] == "no anomalous image has a known mask (2 unknown)"
    assert result.unknown_masks == 2
    assert result.values["image_auroc"] is not None


def test_without_normal_images_image_metrics_are_undefined(
    detector: Detector, folder: Path
) -> None:
    for image in (folder / "test" / "good").iterdir():
        image.unlink()
    evaluation = evaluate(detector, load_dataset(folder))
    values = evaluation.to_dict()["mean"]
    assert values["image_auroc"] is None
    assert "all 2 items are anomalous" in values["undefined"]["image_auroc"]
    assert values["pixel_auroc"] is not None


def test_one_unreadable_image_is_counted_and_the_rest_is_done(
    detector: Detector, folder: Path
) -> None:
    bad = folder / "test" / "good" / "2.png"
    bad.write_bytes(b"no image")
    evaluation = evaluate(detector, load_dataset(folder), Settings(batch_size=2, workers=0))
    assert evaluation.images == 4
    assert list(evaluation.unreadable) == [str(bad)]


def test_unlabelled_images_cannot_be_evaluated(detector: Detector, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="have no labels: use `faprompt predict`"):
        evaluate(detector, load_dataset(tmp_path))


def test_spool_gives_back_what_it_was_given_as_often_as_asked() -> None:
    rng = np.random.default_rng(0)
    pairs = [(rng.random((s, s), np.float32), rng.random((s, s)) > 0.5) for s in (3, 8)]
    with MapSpool() as spool:
        for pair in pairs:
            spool.append(*pair)
        for _ in range(2):
            for (values, mask), (found, found_mask) in zip(pairs, spool, strict=True):
                assert np.array_equal(values, found)
                assert np.array_equal(mask, found_mask)
