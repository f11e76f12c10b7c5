"""An export reads back to the same samples."""

import json
from pathlib import Path

import pytest

from faprompt.data.datasets import load_dataset
from faprompt.data.exporting import export_dataset
from faprompt.data.samples import Dataset, Sample
from faprompt.errors import DataError, OutputError


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Two classes, all mask rules, and a file outside the folder of the export."""
    data = tmp_path / "out" / "data"
    samples = (
        Sample(image_path=data / "a, ü.png", class_name="bolt", label=0, anomaly_type="good"),
        Sample(
            image_path=data / "b.png",
            class_name="bolt",
            label=1,
            anomaly_type="dent",
            mask_path=data / "m.png",
            mask_rule="nonzero",
        ),
        Sample(
            image_path=tmp_path / "else" / "c.png",
            class_name="nut",
            label=1,
            anomaly_type="dent",
            mask_path=tmp_path / "else" / "m.png",
            mask_rule="above127",
        ),
    )
    return Dataset(name="d", layout="folder", root=data, samples=samples)


@pytest.mark.parametrize("name", ["manifest.jsonl", "meta.json"])
def test_reads_back_to_the_same_samples(dataset: Dataset, tmp_path: Path, name: str) -> None:
    file = tmp_path / "out" / name
    export_dataset(dataset, file)
    assert load_dataset(file).samples == load_dataset(file.parent).samples == dataset.samples
    assert str(tmp_path / "out") not in file.read_text(encoding="utf-8")  # it can be moved


def test_unlabelled_samples_fit_a_manifest_alone(dataset: Dataset, tmp_path: Path) -> None:
    sample = Sample(image_path=tmp_path / "x.png", class_name="nut", label=None)
    unlabelled = Dataset(name="u", layout="folder", root=tmp_path, samples=(sample,))
    export_dataset(unlabelled, tmp_path / "manifest.jsonl")
    assert load_dataset(tmp_path / "manifest.jsonl").samples == (sample,)
    with pytest.raises(DataError, match=r"1 images have no label.*export to manifest\.jsonl"):
        export_dataset(unlabelled, tmp_path / "meta.json")
    assert not (tmp_path / "meta.json").exists()


def test_other_endings_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"ends in '\.csv'; needed is NAME\.jsonl or"):
        export_dataset(dataset, tmp_path / "list.csv")


def test_unknown_mask_rules_are_named(tmp_path: Path) -> None:
    file = tmp_path / "manifest.jsonl"
    file.write_text(json.dumps({"path": "a.png", "mask_rule": "half"}))
    with pytest.raises(DataError, match=r"line 1: mask_rule 'half'; needed is one of nonzero"):
        load_dataset(file)
