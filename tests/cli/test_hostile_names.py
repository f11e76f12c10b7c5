"""Odd names and odd files on the way through the commands: told in one line, costing nothing."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from nasty_files import nasty_folder
from PIL import Image
from random_model import random_model

from faprompt.cli import main as cli
from faprompt.cli.printing import printable

pytestmark = pytest.mark.skipif(os.name != "posix", reason="names and links of POSIX")


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "600")


PROGRAM = (sys.executable, "-c", "from faprompt.cli.main import main; main()")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return random_model(tmp_path_factory.mktemp("model"))


def run(*args: object) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main([str(arg) for arg in args])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_predict_keeps_every_picture_and_names_every_other_file(
    model: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = nasty_folder(tmp_path / "in")
    out = tmp_path / "out"
    assert run("predict", tmp_path / "in", "--out", out, *model) == 1
    said = capsys.readouterr()

    lines = (out / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert {row["path"] for row in rows} == {str(path) for path in good}
    assert len({row["map"] for row in rows}) == len(good)
    for row in rows:
        with Image.open(out / row["map"]) as picture:
            assert picture.size == (30, 40)

    errors = [json.loads(line) for line in (out / "errors.jsonl").read_text().splitlines()]
    assert {e["path"] for e in errors} == {str(path) for path in bad}
    for error in errors:
        assert error["error"].startswith(f"{error['path']}: {bad[Path(error['path'])]}")

    with (out / "predictions.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    written = [printable_bytes(path) for path in good]
    assert sorted(row["path"] for row in table) == sorted(written)

    shown = [line for line in said.err.splitlines() if "left out: " in line]
    assert sorted(shown) == sorted(printable(f"left out: {e['error']}") for e in errors)
    assert "[red]markup.png" in said.out
    assert "\x1b[2J" not in said.out + said.err
    assert f"{len(good)} images" in said.out


def printable_bytes(path: Path) -> str:
    """What CSV holds of a path: UTF-8, and escapes for bytes that are none."""
    return str(path).encode(errors="backslashreplace").decode()


def test_a_second_run_finds_every_row_of_the_first(model: list[str], tmp_path: Path) -> None:
    nasty_folder(tmp_path / "in")
    command = ("predict", tmp_path / "in", "--out", tmp_path / "out", "--no-maps", *model)
    assert run(*command) == 1
    before = (tmp_path / "out" / "predictions.jsonl").read_bytes()
    assert run(*command) == 1
    assert (tmp_path / "out" / "predictions.jsonl").read_bytes() == before


def test_spreadsheets_see_no_formulas(
    model: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("=1+1.png", "@x.png", "+1.png", "plain.png"):
        Image.new("RGB", (4, 4)).save(name)
    assert run("predict", "=1+1.png", "@x.png", "+1.png", "plain.png", "--no-maps", *model) == 0
    with (tmp_path / "predictions" / "predictions.csv").open(newline="") as file:
        paths = {row["path"] for row in csv.DictReader(file)}
    assert paths == {"./=1+1.png", "./@x.png", "./+1.png", "plain.png"}


def test_evaluate_and_train_go_on_without_what_cannot_be_read(
    model: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    parts = tmp_path / "[b]parts[/x]"
    for kind in ("good", "bad"):
        (parts / kind).mkdir(parents=True)
        for name in ("a[/b]", "new\nline", os.fsdecode(b"\xff"), "d", "e"):
            path = parts / kind / f"{kind}-{name.replace('/', '')}.png"
            Image.fromarray(rng.integers(0, 255, (40, 30, 3), dtype=np.uint8)).save(path)
        (parts / kind / "gone\n[.png").symlink_to("nowhere")
        (parts / kind / "zero[i].png").touch()
    assert run("evaluate", "--data", parts, "--json", tmp_path / "e.json", *model) == 1
    said = capsys.readouterr().out
    assert said.count("left out: ") == 4
    assert "gone\\n[.png: a link to a file that is not there" in said
    counts = json.loads((tmp_path / "e.json").read_text())["counts"]
    assert (counts["normal"], counts["anomalous"], counts["unreadable"]) == (5, 5, 4)

    settings = ("--input-size", 64, "--set", "num_deep_prompts=1", "--epochs", 1)
    places = ("--out", tmp_path / "run[/i]", "--cache", tmp_path / "cache")
    weights = model[model.index("--weights") :]
    assert run("train", "--data", parts, *settings, *places, *weights, "--device", "cpu") == 1
    said_of_training = capsys.readouterr()
    assert said_of_training.err.count("left out ") == 4
    assert (tmp_path / "run[/i]" / "best.safetensors").is_file()
    assert "run[/i]" in said_of_training.out.replace("\n", "")


@pytest.mark.parametrize("encoding", ["ascii:strict", "utf-8:strict"])
def test_no_encoding_of_a_terminal_ends_a_command(encoding: str, tmp_path: Path) -> None:
    good, bad = nasty_folder(tmp_path / "in\u00e9")
    command = [*PROGRAM, "datasets", "check", "folder", str(tmp_path / "in\u00e9")]
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": ":".join(sys.path)}
    found = subprocess.run(command, capture_output=True, timeout=300, check=False, env=environment)
    text = found.stdout.decode()
    assert (found.returncode, found.stderr) == (1, b"")
    assert f"unreadable: {len(bad)}" in text
    assert len(good) > len(text.splitlines()) - len(bad)  # a line per finding, whatever the name


def test_an_error_is_one_line_whatever_the_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", "--data", "no\x1b[2J\nsuch\udcff") == 1
    assert capsys.readouterr().err == (
        "error: no\\x1b[2J such\\udcff: not found; needed is a data set folder or a manifest file\n"
    )
