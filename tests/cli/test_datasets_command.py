"""``faprompt datasets``: list, check, export and overlap."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faprompt.cli.main import main
from faprompt.data.catalogue import CATALOGUE
from faprompt.data.datasets import load_dataset


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["datasets", *args])
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """One normal and one anomalous image."""
    for seed, place in enumerate(("good/a.png", "bad/b.png")):
        file = tmp_path / "parts" / place
        file.parent.mkdir(parents=True)
        values = np.random.default_rng(seed).integers(0, 256, (8, 9), dtype=np.uint8)
        Image.fromarray(values).save(file)
    return tmp_path / "parts"


def test_list_names_every_set(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert run("list") == 0
    printed = capsys.readouterr().out
    for entry in CATALOGUE.values():
        assert f"{entry.name:<12} {entry.title}: {entry.where}" in printed
    assert "467 + 1258" in printed
    assert "564 + 183" in printed


def test_check_says_fine(parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "folder", str(parts)) == 0
    printed = capsys.readouterr().out
    assert "1 normal, 1 anomalous, 0 unlabelled images in 1 classes; 0 masks" in printed
    assert "width 9 to 9, height 8 to 8 pixels" in printed
    assert printed.endswith("fine as far as is known: no counts to compare with\n")


def test_check_says_what_is_wrong(parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (parts / "bad" / "b.png").write_bytes(b"")
    assert run("check", "folder", str(parts)) == 1
    printed = capsys.readouterr().out
    assert "b.png: is empty (0 bytes)" in printed
    assert printed.endswith("problem: 1 files cannot be used\n")


def test_check_as_json(parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "folder", str(parts), "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["normal"], values["anomalous"], values["problems"]) == (1, 1, [])
    assert values["sizes"] == [[9, 8], [9, 8]]


def test_unknown_names_are_usage_errors(parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "mvtek", str(parts)) == 2
    assert "mvtek" in capsys.readouterr().err
    assert run("check", "mvtec", str(parts)) == 1  # known, but not this


def test_export(parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "manifest.jsonl"
    assert run("export", "folder", str(parts), "--to", str(file)) == 0
    assert capsys.readouterr().out == f"{file}: 2 images of parts\n"
    assert load_dataset(file).samples == load_dataset(parts).samples


def test_overlap_of_a_set_with_itself_is_complete(
    parts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("overlap", "--auxiliary", str(parts), "--target", f"folder:{parts}") == 1
    assert "2 pairs with the same content, 0 target images" in capsys.readouterr().out
    run("overlap", "--auxiliary", str(parts), "--target", str(parts), "--json")
    values = json.loads(capsys.readouterr().out)
    assert {pair["kind"] for pair in values["pairs"]} == {"content"}


def test_help_does_not_import_torch() -> None:
    code = "import sys, faprompt.cli.datasets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
