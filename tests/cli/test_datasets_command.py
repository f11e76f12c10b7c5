"""``faprompt datasets``: list, check, export, overlap."""

import json
from pathlib import Path

import pytest
from PIL import Image

from faprompt.cli.main import main
from faprompt.data.catalogue import CATALOGUE


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    for number, name in enumerate(("test/good/0.png", "test/crack/1.png")):
        path = tmp_path / "nut" / name
        path.parent.mkdir(parents=True)
        Image.new("RGB", (8, 8), (40 * number, 0, 0)).save(path)
    return tmp_path / "nut"


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["datasets", *args])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_list_shows_every_published_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0
    lines = capsys.readouterr().out.splitlines()
    for name, entry in CATALOGUE.items():
        assert any(line.split()[:1] == [name] and entry.licence in line for line in lines), name


def test_check_names_the_problems_and_fails(
    parts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", "mvtec", str(parts), "--json", str(parts / "found.json")) == 1
    out = capsys.readouterr().out
    assert "nut (mvtec): 1 class, 1 normal, 1 anomalous" in out
    assert "problem: 1 normal + 1 anomalous images, expected 467 + 1258" in out
    assert "problem: 1 anomalous without mask: test/crack/1.png" in out
    assert json.loads((parts / "found.json").read_text())["anomalous"] == 1


def test_check_of_a_clean_folder_succeeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert run("check", "folder", str(tmp_path)) == 0
    assert "clean" in capsys.readouterr().out


def test_unknown_names_are_usage_errors(parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "mvtek", str(parts)) == 2
    assert "did you mean 'mvtec'?" in capsys.readouterr().err


def test_export_and_overlap(
    parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "list.jsonl"
    assert run("export", "mvtec", str(parts), "--to", str(file)) == 0
    assert "2 samples in" in capsys.readouterr().out
    assert run("overlap", "--auxiliary", str(file), "--target", f"mvtec:{parts}") == 1
    assert capsys.readouterr().out.count("content\t") == 2
    Image.new("RGB", (9, 9), (0, 200, 0)).save(tmp_path / "other.png")
    (tmp_path / "other").mkdir()
    (tmp_path / "other.png").rename(tmp_path / "other" / "a.png")
    assert run("overlap", "--auxiliary", str(file), "--target", str(tmp_path / "other")) == 0
    assert "no image in common" in capsys.readouterr().out
