"""Files, folders, globs and lists on standard input."""

from pathlib import Path

import pytest

from faprompt.data.listing import list_images
from faprompt.errors import DataError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("a.png", "b.JPG", "notes.txt", "deep/c.png", ".hidden.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def test_folder_means_all_images_below(photos: Path) -> None:
    names = [str(item.name) for item in list_images([str(photos)])]
    assert names == ["a.png", "b.JPG", "deep/c.png"]


def test_globs_files_and_lists_are_joined_each_file_once(photos: Path) -> None:
    lines = [f"{photos}/b.JPG\n", "\n", f"{photos}/a.png\n"]
    listed = list_images([f"{photos}/*.png", "-", f"{photos}/a.png"], lines)
    assert [str(item.name) for item in listed] == ["a.png", "b.JPG"]


def test_a_named_file_is_listed_even_if_missing(photos: Path) -> None:
    assert list_images([str(photos / "none.png")])[0].path == photos / "none.png"


def test_results_of_an_earlier_run_are_not_listed(photos: Path) -> None:
    listed = list_images([str(photos)], exclude=photos / "deep")
    assert [str(item.name) for item in listed] == ["a.png", "b.JPG"]


def test_nothing_found_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images found; needed are image files or folders"):
        list_images([str(tmp_path)])
