"""A copy of a data set is read once and its faults are named."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faprompt.data.catalogue import CATALOGUE, get_entry
from faprompt.data.checking import check_dataset
from faprompt.data.datasets import load_dataset
from faprompt.data.exporting import export_samples
from faprompt.data.layouts import LAYOUTS
from faprompt.data.samples import Dataset
from faprompt.errors import ConfigError, OutputError


def draw(path: Path, seed: int, size: tuple[int, int] = (16, 12)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0]), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def copy(tmp_path: Path) -> Dataset:
    """One class: two good images, three cracked ones."""
    root = tmp_path / "nut"
    draw(root / "test/good/000.png", 0)
    draw(root / "test/good/001.png", 1, (40, 30))
    for number in (2, 3, 4):
        draw(root / f"test/crack/{number}.png", number)
        draw(root / f"ground_truth/crack/{number}_mask.png", number)
    return load_dataset(f"mvtec:{root}")


def test_a_whole_copy_has_no_problems(copy: Dataset) -> None:
    health = check_dataset(copy, expected=((9, 9), (2, 3)))
    assert health.problems == health.remarks == ()
    assert (health.smallest, health.largest) == ((16, 12), (40, 30))
    assert health.summary == "1 class, 2 normal, 3 anomalous"


def test_every_fault_is_named(copy: Dataset) -> None:
    truth = copy.root / "ground_truth/crack"
    (truth / "2_mask.png").unlink()
    Image.new("L", (16, 12)).save(truth / "3_mask.png")
    (copy.root / "test/crack/4.png").write_bytes(b"no image")
    same = (copy.root / "test/good/000.png").read_bytes()
    (copy.root / "test/good/001.png").write_bytes(same)
    (copy.root / "test/crack/5.png").write_bytes(same)
    health = check_dataset(load_dataset(f"mvtec:{copy.root}"), expected=((2, 3),))
    assert list(health.unreadable) == ["test/crack/4.png"]
    assert "not an image" in health.unreadable["test/crack/4.png"]
    assert health.problems == (
        "2 normal + 4 anomalous images, expected 2 + 3",
        "1 unreadable: test/crack/4.png",
        "2 anomalous without mask: test/crack/2.png, test/crack/5.png",
        "1 anomalous with an empty mask: test/crack/3.png",
        "1 contents with different labels: test/crack/5.png = test/good/000.png = "
        "test/good/001.png",
    )
    assert len(health.remarks) == 1
    json.dumps(health.to_dict())


def test_masks_are_not_missed_where_pixels_are_not_evaluated(copy: Dataset) -> None:
    (copy.root / "ground_truth/crack/2_mask.png").unlink()
    copy = load_dataset(f"mvtec:{copy.root}")
    assert check_dataset(copy, pixel_level=False).problems == ()


@pytest.mark.parametrize("file", ["manifest.jsonl", "meta.json"])
def test_an_export_is_read_back_as_it_was(file: str, copy: Dataset, tmp_path: Path) -> None:
    written = export_samples(copy, tmp_path / "lists" / file)
    again = load_dataset(written)
    key = str
    mine = sorted(copy.samples, key=key)
    theirs = [
        (s.image_path.resolve(), s.mask_path and s.mask_path.resolve()) for s in again.samples
    ]
    assert sorted(theirs, key=key) == [(s.image_path, s.mask_path) for s in mine]
    assert again.content_hash() == copy.content_hash(), "labels, types, classes and rules, too"
    assert "../nut/test" in written.read_text(), "paths are relative to the file"


def test_exports_that_cannot_be_are_refused(tmp_path: Path) -> None:
    draw(tmp_path / "plain/a.png", 0)
    dataset = load_dataset(tmp_path / "plain")
    with pytest.raises(OutputError, match=r"1 samples have no label .* write a \.jsonl"):
        export_samples(dataset, tmp_path / "meta.json")
    with pytest.raises(OutputError, match=r"list\.csv: ends neither in \.jsonl nor in \.json"):
        export_samples(dataset, tmp_path / "list.csv")


def test_the_catalogue_names_layouts_and_knows_the_protocol() -> None:
    assert CATALOGUE.keys() == LAYOUTS.keys() - {"folder", "manifest", "metajson"}
    protocol = {"dagm": (6996, 1054), "visa": (962, 1200), "isic": (0, 379), "br35h": (1500, 1500)}
    assert all(counts in CATALOGUE[name].expected for name, counts in protocol.items())
    assert all(
        ("pixel" in e.levels) or not e.expected or e.expected[0][0] for e in CATALOGUE.values()
    )
    with pytest.raises(ConfigError, match="unknown data set 'visaa'; did you mean 'visa'"):
        get_entry("visaa")
