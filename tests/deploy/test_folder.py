"""A folder of results: whole or not there, and never somebody else's."""

import errno
from pathlib import Path

import pytest

from faprompt.deploy.folder import replacing_folder
from faprompt.errors import OutputError

NAMES = ("model.json", "model.onnx", "model.xml")


def write(folder: Path, text: str, *names: str, fail: bool = False) -> None:
    with replacing_folder(folder, record="model.json", names=NAMES, kind="a model") as temporary:
        for name in names:
            (temporary / name).write_text(text)
        if fail:
            raise ZeroDivisionError


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_new_folder_and_its_parents_are_made(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b", "1", "model.json", "model.onnx")
    assert contents(tmp_path / "a" / "b") == {"model.json": "1", "model.onnx": "1"}
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_an_earlier_result_is_replaced_as_a_whole(tmp_path: Path) -> None:
    write(tmp_path / "out", "1", "model.json", "model.onnx")
    write(tmp_path / "out", "2", "model.json", "model.xml")
    assert contents(tmp_path / "out") == {"model.json": "2", "model.xml": "2"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("before", [True, False])
def test_a_failure_leaves_what_was_there(before: bool, tmp_path: Path) -> None:
    if before:
        write(tmp_path / "out", "1", "model.json")
    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "out", "2", "model.json", fail=True)
    assert [path.name for path in tmp_path.iterdir()] == (["out"] if before else [])
    if before:
        assert contents(tmp_path / "out") == {"model.json": "1"}


def test_folders_of_others_are_refused(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(OutputError, match="not empty and not a model; choose another --out"):
        write(tmp_path, "1", "model.json")
    (tmp_path / "model.json").write_text("1")
    with pytest.raises(OutputError, match=r"holds 'letters\.txt' beside a model"):
        write(tmp_path, "2", "model.json")
    assert contents(tmp_path) == {"letters.txt": "dear", "model.json": "1"}


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match=r"out: is a file; choose another --out"):
        write(tmp_path / "out", "1", "model.json")
    with pytest.raises(OutputError, match=r"inner: cannot be written"):
        write(tmp_path / "out" / "inner", "1", "model.json")


def leave(tmp_path: Path, what: str, *names: str) -> Path:
    """What a killed process leaves beside ``out``."""
    left = tmp_path / f".out.{what}.abcd1234"
    left.mkdir()
    for name in names:
        (left / name).write_text("left")
    return left


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    leave(tmp_path, "new", "model.json")
    (tmp_path / ".out.backup").mkdir()
    (tmp_path / ".output.new.abcd1234").mkdir()
    write(tmp_path / "out", "1", "model.json")
    assert contents(tmp_path / "out") == {"model.json": "1"}
    kept = {".out.backup", ".output.new.abcd1234", "out"}
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_killed_between_two_renames_the_earlier_result_is_put_back(tmp_path: Path) -> None:
    leave(tmp_path, "old", "model.json")
    leave(tmp_path, "new", "model.json", "model.onnx")
    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "out", "2", "model.json", fail=True)
    assert contents(tmp_path / "out") == {"model.json": "left"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_earlier_result_put_aside_goes_when_the_new_one_stands(tmp_path: Path) -> None:
    write(tmp_path / "out", "1", "model.json")
    leave(tmp_path, "old", "model.json")
    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "out", "2", "model.json", fail=True)
    assert contents(tmp_path / "out") == {"model.json": "1"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_work_of_a_process_that_lives_is_left_alone(tmp_path: Path) -> None:
    with replacing_folder(
        tmp_path / "out", record="model.json", names=NAMES, kind="a model"
    ) as first:
        (first / "model.json").write_text("first")
        write(tmp_path / "out", "second", "model.json")
        assert contents(first) == {"model.json": "first"}
    assert contents(tmp_path / "out") == {"model.json": "first"}


def test_a_full_disk_inside_the_block_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"out: cannot be written \(No space left on device\)"),
        replacing_folder(tmp_path / "out", record="model.json", names=NAMES, kind="a model"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not list(tmp_path.iterdir())
