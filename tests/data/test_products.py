"""What a user means by a folder of good (or of bad) images."""

from pathlib import Path

import pytest
from PIL import Image

from faprompt.data.products import images_by_product
from faprompt.errors import ConfigError, DataError


def fill(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2)).save(path)
    return root


def named(spec: object, label: int = 0) -> dict[str, list[str]]:
    return {k: [p.name for p in v] for k, v in images_by_product(str(spec), label=label).items()}


def test_a_plain_folder_is_one_product(tmp_path: Path) -> None:
    fill(tmp_path / "nut", "b.png", "a.png")
    assert named(tmp_path / "nut") == {"nut": ["a.png", "b.png"]}


def test_labels_choose(tmp_path: Path) -> None:
    fill(tmp_path / "nut", "good/a.png", "good/b.png", "scratch/c.png")
    assert named(tmp_path / "nut") == {"nut": ["a.png", "b.png"]}
    assert named(tmp_path / "nut", label=1) == {"nut": ["c.png"]}


def test_classes_of_a_data_set_are_products(tmp_path: Path) -> None:
    fill(tmp_path, "nut/good/a.png", "nut/bad/b.png", "bolt/good/c.png")
    assert named(tmp_path) == {"bolt": ["c.png"], "nut": ["a.png"]}


def test_folders_of_plain_folders_are_products(tmp_path: Path) -> None:
    fill(tmp_path, "nut/monday/a.png", "nut/b.png", "bolt/c.png")
    (tmp_path / "empty").mkdir()
    assert named(tmp_path) == {"bolt": ["c.png"], "nut": ["b.png", "a.png"]}


def test_a_shelf_of_data_sets_gives_this_label_of_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path / "tile", "MT_Free/Imgs/a.jpg", "MT_Free/Imgs/a.png")  # the .png is the mask
    fill(tmp_path / "tile", "MT_Crack/Imgs/b.jpg", "MT_Crack/Imgs/b.png")
    fill(tmp_path / "brain", "no/c.jpg", "yes/d.jpg")
    fill(tmp_path / "polyp", "images/e.jpg", "masks/e.jpg")
    fill(tmp_path / "set", "nut/good/f.png", "nut/bad/g.png", "bolt/good/h.png")
    fill(tmp_path / "plain", "i.jpg")
    assert named(tmp_path) == {
        "brain": ["c.jpg"],
        "plain": ["i.jpg"],
        "set-bolt": ["h.png"],
        "set-nut": ["f.png"],
        "tile": ["a.jpg"],
    }
    assert f"left out: {tmp_path / 'polyp'}: 1 images, none of them normal" in caplog.text
    bad = named(tmp_path, label=1)
    assert (bad["tile"], bad["polyp"]) == (["b.jpg"], ["e.jpg"])
    fill(tmp_path / "worse", "manifest/x.png")
    (tmp_path / "worse" / "manifest" / "manifest.csv").write_text("image,label\nx.png,1\n")
    with pytest.raises(DataError, match="none of them normal"):
        named(tmp_path / "worse")


def test_a_glob_and_a_file_are_one_product(tmp_path: Path) -> None:
    fill(tmp_path / "nut", "a1.png", "a2.png", "b1.png")
    assert named(tmp_path / "nut" / "a*.png") == {"nut": ["a1.png", "a2.png"]}
    assert named(tmp_path / "nut" / "b1.png") == {"nut": ["b1.png"]}


def test_a_layout_may_be_named(tmp_path: Path) -> None:
    fill(tmp_path / "nut", "good/a.png", "bad/c.png")
    assert named(f"folder:{tmp_path / 'nut'}") == {"nut": ["a.png"]}


@pytest.mark.parametrize(
    ("spec", "text"),
    [("none", "none: not found"), ("empty", "no images found"), ("bad", "none of them normal")],
)
def test_nothing_there_is_said(
    spec: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "list.csv").write_text("image,label\na.png,1\n")
    fill(tmp_path / "bad", "a.png")
    with pytest.raises(DataError, match=text):
        images_by_product("bad/list.csv" if spec == "bad" else spec, label=0)


def test_an_unknown_layout_is_a_setting_that_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'folder'"):
        images_by_product(f"foldr:{tmp_path}", label=0)
