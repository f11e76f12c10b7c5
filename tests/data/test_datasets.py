"""Every layout on a miniature of it, with the traps that real copies have."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from faprompt.data.datasets import load_dataset
from faprompt.data.layouts import LAYOUTS
from faprompt.data.samples import Counts, Dataset
from faprompt.errors import ConfigError, DataError

Row = tuple[str, int | None, str, str | None]

STRAY = [".DS_Store", "Thumbs.db", "._a.png", "readme.txt"]


def make(root: Path, names: Iterable[str]) -> Path:
    """Create empty files; layouts open none of them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def rows(dataset: Dataset) -> list[Row]:
    """Image, label, type and mask of every sample, relative to the root."""
    root = dataset.root
    return [
        (
            s.image_path.relative_to(root).as_posix(),
            s.label,
            s.anomaly_type,
            s.mask_path.relative_to(root).as_posix() if s.mask_path else None,
        )
        for s in dataset.samples
    ]


MVTEC = [
    "train/good/000.png",
    "test/good/000.png",
    "test/crack/000.png",
    "test/crack/001.PNG",
    "test/hole/000.png",
    "ground_truth/crack/000_mask.png",
    "ground_truth/crack/001.png",
    *(f"test/crack/{name}" for name in STRAY),
]
MVTEC_ROWS: list[Row] = [
    ("test/crack/000.png", 1, "crack", "ground_truth/crack/000_mask.png"),
    ("test/crack/001.PNG", 1, "crack", "ground_truth/crack/001.png"),
    ("test/good/000.png", 0, "good", None),
    ("test/hole/000.png", 1, "hole", None),
]


def test_mvtec_class_folder(tmp_path: Path) -> None:
    dataset = load_dataset(make(tmp_path / "nut", MVTEC))
    assert (dataset.layout, dataset.name, dataset.classes) == ("mvtec", "nut", ("nut",))
    assert rows(dataset) == MVTEC_ROWS


def test_mvtec_folder_of_several_classes(tmp_path: Path) -> None:
    for name in ("bolt", "nut"):
        make(tmp_path / name, MVTEC)
    make(tmp_path, ["license.txt", ".git/x.png"])
    dataset = load_dataset(tmp_path)
    assert (dataset.layout, dataset.classes, len(dataset)) == ("mvtec", ("bolt", "nut"), 8)


def test_mvtec_one_folder_too_high_or_too_deep(tmp_path: Path) -> None:
    make(tmp_path / "data" / "nut", MVTEC)
    assert load_dataset(f"mvtec:{tmp_path}").samples == load_dataset(tmp_path / "data").samples
    assert len(load_dataset(tmp_path / "data" / "nut" / "test")) == 4
    assert load_dataset(tmp_path / "data" / "nut" / "test").counts().masks == 2


def test_mvtec_with_training_images_alone_has_no_samples(tmp_path: Path) -> None:
    make(tmp_path / "nut", ["train/good/000.png"])
    with pytest.raises(DataError, match=r"no images as layout 'mvtec'; looked for test/<type>/"):
        load_dataset(f"mvtec:{tmp_path / 'nut'}")
    with pytest.raises(DataError, match=r"nut: no known layout.*LAYOUT:PATH.*folder: images, or"):
        load_dataset(tmp_path / "nut")


def test_bsdata(tmp_path: Path) -> None:
    names = ["test/good/a.jpg", "test/pitting/a.jpg", "ground_truth/pitting/a.png"]
    dataset = load_dataset(make(tmp_path / "bs", names))
    assert (dataset.layout, dataset.classes) == ("bsdata", ("ball_screw",))
    assert rows(dataset)[1] == ("test/pitting/a.jpg", 1, "pitting", "ground_truth/pitting/a.png")


def test_magnetic_tile_is_one_class_of_several_types(tmp_path: Path) -> None:
    names = [f"MT_{t}/Imgs/1.{end}" for t in ("Free", "Crack") for end in ("jpg", "png")]
    dataset = load_dataset(make(tmp_path, [*names, "MT_Crack/Imgs/2.JPG", "MT_Crack/Thumbs.db"]))
    assert (dataset.layout, dataset.classes) == ("magnetictile", ("magnetic_tile",))
    assert rows(dataset) == [
        ("MT_Crack/Imgs/1.jpg", 1, "crack", "MT_Crack/Imgs/1.png"),
        ("MT_Crack/Imgs/2.JPG", 1, "crack", None),
        ("MT_Free/Imgs/1.jpg", 0, "good", "MT_Free/Imgs/1.png"),
    ]
    assert {sample.mask_rule for sample in dataset.samples} == {"above127"}


def test_brain_mri_is_read_once_although_the_archive_has_it_twice(tmp_path: Path) -> None:
    names = ["yes/Y1.JPG", "no/1 no.jpeg"]
    make(tmp_path, [*names, *(f"brain_tumor_dataset/{name}" for name in names)])
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "brainmri"
    assert rows(dataset) == [("no/1 no.jpeg", 0, "good", None), ("yes/Y1.JPG", 1, "tumour", None)]


def test_kvasir_masks_are_jpeg(tmp_path: Path) -> None:
    dataset = load_dataset(make(tmp_path, ["images/a.jpg", "images/b.jpg", "masks/a.jpg"]))
    assert (dataset.layout, dataset.samples[0].mask_rule) == ("kvasir", "above127")
    assert rows(dataset) == [
        ("images/a.jpg", 1, "polyp", "masks/a.jpg"),
        ("images/b.jpg", 1, "polyp", None),
    ]


def test_plain_folder_knows_nothing(tmp_path: Path) -> None:
    dataset = load_dataset(make(tmp_path, ["b.JPEG", "a.png", *STRAY]))
    assert dataset.layout == "folder"
    assert rows(dataset) == [("a.png", None, "unknown", None), ("b.JPEG", None, "unknown", None)]


@pytest.mark.parametrize(
    ("normal", "anomalous"),
    [("good", "bad"), ("OK", "NG"), ("normal", "anomalous"), ("no", "yes"), ("0", "1")],
)
def test_folders_of_normal_and_anomalous_images(
    tmp_path: Path, normal: str, anomalous: str
) -> None:
    dataset = load_dataset(make(tmp_path, [f"{normal}/a.png", f"{anomalous}/a.png"]))
    assert dataset.layout == "folder"
    assert {(label, kind) for _, label, kind, _ in rows(dataset)} == {
        (0, "good"),
        (1, "anomalous"),
    }


def test_folders_beside_a_normal_one_are_types(tmp_path: Path) -> None:
    names = ["good/a.png", "scratch/b.png", "bad/dent/c.png", "masks/scratch/b.png", "masks/c.png"]
    assert rows(load_dataset(make(tmp_path, names))) == [
        ("bad/dent/c.png", 1, "dent", "masks/c.png"),
        ("good/a.png", 0, "good", None),
        ("scratch/b.png", 1, "scratch", "masks/scratch/b.png"),
    ]


def test_a_mask_that_two_images_could_claim_belongs_to_none(tmp_path: Path) -> None:
    names = ["good/a.png", "dent/a.png", "hole/a.png", "hole/b.png", "masks/a.png", "masks/b.png"]
    masks = {image: mask for image, _, _, mask in rows(load_dataset(make(tmp_path, names)))}
    assert masks == {
        "good/a.png": None,
        "dent/a.png": None,
        "hole/a.png": None,
        "hole/b.png": "masks/b.png",
    }


def test_masks_beside_their_images_are_not_images(tmp_path: Path) -> None:
    dataset = load_dataset(make(tmp_path, ["ok/a.png", "ng/b.jpg", "ng/b_mask.png"]))
    assert rows(dataset) == [
        ("ng/b.jpg", 1, "anomalous", "ng/b_mask.png"),
        ("ok/a.png", 0, "good", None),
    ]


def test_folder_of_several_classes(tmp_path: Path) -> None:
    names = [f"{name}/{kind}/a.png" for name in ("nut", "bolt") for kind in ("good", "bad")]
    dataset = load_dataset(make(tmp_path, names))
    assert (dataset.layout, dataset.classes) == ("folder", ("bolt", "nut"))
    assert dataset.counts("nut") == Counts(normal=1, anomalous=1, unlabelled=0, masks=0)


def test_images_beside_masks_have_masks_and_no_label(tmp_path: Path) -> None:
    dataset = load_dataset(make(tmp_path, ["images/a.png", "masks/a.png"]))
    assert dataset.layout == "folder"
    assert rows(dataset) == [("images/a.png", None, "unknown", "masks/a.png")]


def test_a_shelf_of_data_sets_is_not_a_data_set(tmp_path: Path) -> None:
    make(tmp_path / "nut", MVTEC)
    make(tmp_path / "tiles", ["MT_Free/Imgs/1.jpg"])
    make(tmp_path / "brain", ["yes/Y1.jpg", "no/1 no.jpg"])
    make(tmp_path / "parts", ["good/a.png"])
    with pytest.raises(DataError, match="no known layout"):
        load_dataset(tmp_path)
    assert load_dataset(f"magnetictile:{tmp_path}").counts().normal == 1


def test_splits_are_not_classes(tmp_path: Path) -> None:
    make(tmp_path, ["train/good/a.png", "val/good/a.png"])
    with pytest.raises(DataError, match="no known layout"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_empty_folder_is_an_error_that_says_what_was_looked_for(
    tmp_path: Path, layout: str
) -> None:
    with pytest.raises(DataError, match=rf"no images as layout '{layout}'; looked for \S+"):
        load_dataset(f"{layout}:{tmp_path}")


def test_unknown_layouts_and_missing_paths(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'mvtec'\? Known: .*magnetictile"):
        load_dataset(f"mvtek:{tmp_path}")
    with pytest.raises(DataError, match=r"gone: not found"):
        load_dataset(tmp_path / "gone")
    with pytest.raises(DataError, match=r"C:.data: not found"):
        load_dataset("C:\\data")


def test_a_path_with_a_colon_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "mvtec:copy", ["a.png"])
    monkeypatch.chdir(tmp_path)
    assert load_dataset("mvtec:copy").layout == "folder"
    assert load_dataset(f"FOLDER:{tmp_path / 'mvtec:copy'}").name == "mvtec:copy"
