"""The check of a copy: every kind of damage on one data set, and none on another."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faprompt.data.catalogue import CATALOGUE
from faprompt.data.checking import check_dataset
from faprompt.data.datasets import load_dataset
from faprompt.data.layouts import LAYOUTS


def draw(file: Path, value: int = 255, size: tuple[int, int] = (6, 4)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size[::-1], value, dtype=np.uint8)).save(file)


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Endo with one of everything that can be wrong."""
    for number, name in enumerate(("whole", "empty", "bare", "bad", "badmask"), start=1):
        draw(tmp_path / "images" / f"{name}.png", number, (6 + number, 4))
    draw(tmp_path / "images" / "twin.png", 1, (7, 4))
    for name, value in (("whole", 255), ("empty", 0), ("twin", 255), ("bad", 255)):
        draw(tmp_path / "masks" / f"{name}.png", value)
    (tmp_path / "images" / "bad.png").write_bytes(b"no image")
    (tmp_path / "masks" / "badmask.png").write_bytes(b"")
    return tmp_path


def test_every_finding_is_named(damaged: Path) -> None:
    found = check_dataset(load_dataset(f"endo:{damaged}"))
    images, masks = damaged / "images", damaged / "masks"
    assert set(found.unreadable) == {images / "bad.png", masks / "badmask.png"}
    assert found.without_mask == (images / "bare.png",)
    assert found.empty_masks == (masks / "empty.png",)
    assert found.duplicates == ((images / "twin.png", images / "whole.png"),)
    assert found.sizes == ((7, 4), (11, 4))
    assert found.problems == (
        "0 normal and 6 anomalous images; needed are 0 and 200 (FAPrompt, arXiv:2410.10289)",
        "2 files cannot be used",
        "1 anomalous images without a mask",
    )


def test_a_whole_folder_of_ones_own_has_no_problems(tmp_path: Path) -> None:
    draw(tmp_path / "good" / "a.png", 1)
    draw(tmp_path / "bad" / "b.png", 2)
    found = check_dataset(load_dataset(tmp_path))
    assert (found.expected, found.problems) == (None, ())
    draw(tmp_path / "bad" / "c.png", 1)
    [problem] = check_dataset(load_dataset(tmp_path)).problems
    assert problem == "1 images are both normal and anomalous"


def test_unlabelled_images_and_missing_classes_are_problems(tmp_path: Path) -> None:
    draw(tmp_path / "kos01" / "Part0.jpg", 3)
    problems = check_dataset(load_dataset(f"ksdd:{tmp_path}")).problems
    assert problems[1] == "1 images without a label"
    draw(tmp_path / "m" / "nut" / "test" / "good" / "0.png", 4)
    problems = check_dataset(load_dataset(f"mvtec:{tmp_path / 'm'}")).problems
    assert problems[1] == "1 classes; needed are 15"


# Normal and anomalous test images of the comparison: docs/method.md, section 11.
PAPER = {
    "mvtec": (467, 1258),
    "visa": (962, 1200),
    "btad": (451, 290),
    "mpdd": (176, 282),
    "ksdd": (181, 74),
    "aitex": (564, 183),
    "elpv": (1508, 715),
    "dagm": (6996, 1054),
    "dtd": (357, 947),
    "brainmri": (98, 155),
    "headct": (100, 100),
    "lag": (786, 1711),
    "br35h": (1500, 1500),
    "colondb": (0, 380),
    "clinicdb": (0, 612),
    "kvasir": (0, 1000),
    "endo": (0, 200),
    "isic": (0, 379),
    "tn3k": (0, 614),
}


def test_the_catalogue_is_of_layouts_and_has_the_papers_sets() -> None:
    assert all(entry.name == name for name, entry in CATALOGUE.items())
    assert set(LAYOUTS) - set(CATALOGUE) == {"folder", "manifest", "metajson"}
    assert set(CATALOGUE) <= set(LAYOUTS)
    assert {name: CATALOGUE[name].paper or CATALOGUE[name].counts for name in PAPER} == PAPER


def test_the_page_of_data_sets_shows_the_catalogue() -> None:
    page = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")
    for entry in CATALOGUE.values():
        counts, paper = (
            f"{pair[0]} + {pair[1]}" if pair else missing
            for pair, missing in ((entry.counts, "not confirmed"), (entry.paper, ""))
        )
        levels = ", ".join(entry.levels)
        facts = (f"`{entry.name}`", entry.title, entry.kind, entry.classes, levels, counts, paper)
        assert f"| {' | '.join(map(str, (*facts, entry.licence, entry.where)))} |" in page
