"""Folders and names as strangers leave them: nothing hangs, nothing is passed by in silence."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from nasty_files import nasty_folder, unprivileged

from faprompt.data.checking import check_dataset
from faprompt.data.datasets import load_dataset
from faprompt.data.exporting import export_dataset
from faprompt.data.files import images_below, images_in, subfolders
from faprompt.data.hashing import content_hash
from faprompt.data.images import open_image
from faprompt.data.listing import list_images
from faprompt.errors import DataError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="names and links of POSIX")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter; those of pytest are their owner's alone."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    for path in folder.rglob("closed"):
        path.chmod(0o777)
    shutil.rmtree(folder)


def test_every_file_is_listed_once_and_each_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    good, bad = nasty_folder(tmp_path / "in")
    listed = [item.path for item in list_images([str(tmp_path / "in")])]
    assert sorted(listed) == sorted([*good, *bad])
    for path in good:
        assert open_image(path).size == (30, 40)
    for path, text in bad.items():
        with pytest.raises(DataError) as caught:
            open_image(path)
        assert str(caught.value).startswith(f"{path}: {text}")


def test_links_in_circles_end_and_a_tree_of_links_does_not_explode(tmp_path: Path) -> None:
    inner = tmp_path
    for level in range(30):  # 2 ** 30 ways down
        inner = inner / f"level-{level}"
        inner.mkdir()
        (inner.parent / "also").symlink_to(inner.name)
    (inner / "a.png").touch()
    assert [path.name for path in images_below(tmp_path)] == ["a.png"]


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "gone", "loop"])
def test_hashing_ends_for_whatever_it_is_given(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind != "gone":
        path.symlink_to("/dev/zero" if kind == "device" else "x")
    with pytest.raises(DataError, match=r"x: .*needed is a readable file"):
        content_hash(path)


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "\ud800", "/".join("a" * 2100)])
def test_names_that_no_file_can_have_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.png"
    for read in (open_image, content_hash):
        with pytest.raises(DataError, match=r"cannot be read \(|not found"):
            read(path)
    assert images_in(path) == subfolders(path) == []
    with pytest.raises(DataError):
        load_dataset(str(path))
    assert [item.path for item in list_images([str(path)])] == [path]


def test_the_home_of_a_stranger_is_a_file_that_is_not_there() -> None:
    assert [str(item.path) for item in list_images(["~no such user/a.png"])] == [
        "~no such user/a.png"
    ]
    with pytest.raises(DataError, match="~no such user: not found"):
        load_dataset("~no such user")


def test_what_may_not_be_read_is_named_and_the_rest_is_kept(open_folder: Path) -> None:
    good, _ = nasty_folder(open_folder / "in")
    good[0].chmod(0)
    (open_folder / "in" / "closed").mkdir(mode=0)
    with unprivileged():
        listed = [item.path for item in list_images([str(open_folder / "in")])]
        for path in (good[0], open_folder / "in" / "closed"):
            assert path in listed
            with pytest.raises(DataError, match=r"Permission denied|that cannot be listed"):
                open_image(path)
        assert open_image(good[1]).size == (30, 40)
        with pytest.raises(DataError, match=r"closed: cannot be listed \(Permission denied\)"):
            images_in(open_folder / "in" / "closed")


def test_a_data_set_of_odd_names_is_checked_hashed_and_reads_back(tmp_path: Path) -> None:
    good, bad = nasty_folder(tmp_path / "in")
    dataset = load_dataset(tmp_path / "in")
    found = check_dataset(dataset)
    top = {path for path in bad if path.parent == tmp_path / "in"}
    assert set(found.unreadable) == top
    assert len(dataset) == len(top) + len([p for p in good if p.parent == tmp_path / "in"])
    export_dataset(dataset, tmp_path / "all.jsonl")
    assert (tmp_path / "all.jsonl").read_text(encoding="utf-8")  # whatever the names were
    again = load_dataset(tmp_path / "all.jsonl")
    assert [s.image_path for s in again.samples] == [s.image_path for s in dataset.samples]


def test_a_class_folder_in_another_encoding_has_a_hash(tmp_path: Path) -> None:
    parts = tmp_path / os.fsdecode(b"\xe4\xff")
    for name in ("good", "bad"):
        (parts / name).mkdir(parents=True)
        (parts / name / "a.png").write_text(name)
    assert len(load_dataset(parts).content_hash()) == 64
