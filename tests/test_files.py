"""Files appear whole or not at all."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from faprompt.errors import OutputError
from faprompt.files import (
    append_line,
    parse_json,
    replacing,
    sweep,
    unfinished,
    write_tensors,
    write_text,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_content_takes_its_name_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with replacing(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == path.parent
        assert unfinished(path.parent, "a.txt") == [temporary]
    assert path.read_text() == "whole"
    assert names(path.parent) == ["a.txt"]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failed_block_leaves_what_was_there(failure: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "before")

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise failure

    with pytest.raises(failure):
        fail()
    assert (path.read_text(), names(tmp_path)) == ("before", ["a.txt"])


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/a\.txt: cannot be written \(.+\); choose another"):
        write_text(tmp_path / "file" / "a.txt", "")


def test_a_full_disk_is_an_output_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"No space left on device"):
        write_text(tmp_path / "a.txt", "text")
    assert names(tmp_path) == []


def test_only_unfinished_files_of_that_name_are_found(tmp_path: Path) -> None:
    for name in (".a.txt.x1_y2z3w", ".a.txt.short", ".b.txt.abcdefgh", "a.txt", ".a.txt"):
        (tmp_path / name).touch()
    assert [p.name for p in unfinished(tmp_path, "a.txt")] == [".a.txt.x1_y2z3w"]
    assert unfinished(tmp_path / "missing", "a.txt") == []


def test_tensors_are_written_whole_with_their_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    column = torch.arange(6.0).reshape(2, 3)[:, 1].requires_grad_()  # neither contiguous nor plain
    write_tensors(path, {"x": column, "y": torch.ones(2).bfloat16()}, metadata={"k": "v"})
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {"k": "v"}
        assert file.get_tensor("x").tolist() == [1.0, 4.0]
        assert file.get_tensor("y").dtype is torch.bfloat16
    assert names(tmp_path) == ["a.safetensors"]


def test_a_name_as_long_as_names_can_be_is_written_and_swept(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250 + ".json")
    write_text(path, "whole")
    with replacing(path) as temporary:
        assert len(temporary.name) < 255
        assert unfinished(tmp_path, path.name) == [temporary]
        temporary.write_text("new")
    assert path.read_text() == "new"


def test_text_in_no_encoding_is_escaped_as_json_does_it(tmp_path: Path) -> None:
    for text in ("\udcff", "é\ud800 ok", "plain"):
        write_text(tmp_path / "x.json", json.dumps(text, ensure_ascii=False))
        assert parse_json((tmp_path / "x.json").read_text(encoding="utf-8")) == text


def test_lines_begin_anew_after_one_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    append_line(path, {"a": 1})
    with path.open("a") as file:
        file.write('{"b": ')
    append_line(path, {"c": "\n"})
    append_line(path, {"d": 4})
    assert path.read_text().split("\n") == ['{"a": 1}', '{"b": ', '{"c": "\\n"}', '{"d": 4}', ""]


def test_sweeping_leaves_everything_but_our_half_files(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    kept = [tmp_path / name for name in ("a.png", ".hidden", ".a.png.short", "inner/b.12345678")]
    left = [tmp_path / name for name in (".a.png.abcd_123", "inner/.b.jsonl.00000000")]
    for path in (*kept, *left):
        path.touch()
    os.utime(left[0], (0, 0))
    sweep(tmp_path, older_than=3600)
    assert not left[0].exists()
    assert left[1].exists()
    sweep(tmp_path)
    assert not left[1].exists()
    assert all(path.exists() for path in kept)
    sweep(tmp_path / "nowhere")


def test_whole_numbers_that_no_float_holds_are_no_json() -> None:
    assert parse_json("-1" + "0" * 300) == -(10**300)
    with pytest.raises(ValueError, match="a number of 400 digits"):
        parse_json('{"a": [1.5, ' + "1" * 400 + "]}")
