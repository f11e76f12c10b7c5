"""Counts, classes and content hashes of data sets."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from faprompt.data.hashing import content_hash
from faprompt.data.samples import Counts, Dataset, Sample
from faprompt.errors import DataError


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    for index in range(3):
        Image.new("L", (2, 2), 40 * index).save(tmp_path / f"{index}.png")
    samples = (
        Sample(image_path=tmp_path / "0.png", class_name="nut", label=0),
        Sample(
            image_path=tmp_path / "1.png", class_name="nut", label=1, mask_path=tmp_path / "0.png"
        ),
        Sample(image_path=tmp_path / "2.png", class_name="bolt", label=None),
    )
    return Dataset(name="parts", layout="folder", root=tmp_path, samples=samples)


def test_counts_and_classes(dataset: Dataset) -> None:
    assert dataset.classes == ("bolt", "nut")
    assert dataset.counts() == Counts(normal=1, anomalous=1, unlabelled=1, masks=1)
    assert dataset.counts("nut").total == len(dataset.of_class("nut")) == 2
    assert len(dataset) == 3


def test_the_hash_is_of_content_not_of_names_or_order(dataset: Dataset, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere.png"
    (tmp_path / "2.png").rename(moved)
    turned = (replace(dataset.samples[2], image_path=moved), *dataset.samples[:2])
    before = replace(dataset, samples=turned[1:]).content_hash()
    assert replace(dataset, samples=turned[:0:-1]).content_hash() == before
    assert replace(dataset, samples=turned).content_hash() != before


@pytest.mark.parametrize("change", [{"label": 1}, {"class_name": "nail"}, {"mask_path": None}])
def test_the_hash_follows_what_is_known(dataset: Dataset, change: dict[str, object]) -> None:
    first, second, third = dataset.samples
    index = 1 if "mask_path" in change else 0
    pair = [first, second]
    pair[index] = replace(pair[index], **change)  # type: ignore[arg-type]
    assert replace(dataset, samples=(*pair, third)).content_hash() != dataset.content_hash()


def test_content_hash_is_sha_256(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert content_hash(tmp_path / "x").startswith("ba7816bf8f01cfea414140de5dae2223b00361a3")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png: not found; needed is a readable file"):
        content_hash(tmp_path / "gone.png")
