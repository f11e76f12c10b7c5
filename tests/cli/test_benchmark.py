"""The benchmark command: from a plan to a page, after any end."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from patience import PATIENCE, until
from PIL import Image

from faprompt.cli import main as cli

PROGRAM = (sys.executable, "-c", "from faprompt.cli.main import main; main()")
PLAN = """
backbone: tiny
input_size: 64
blur_sigma: 2
methods: [clip-ac-local, faprompt]
seeds: [1, 2]
training: {epochs: 2}
resamples: 100
transfers:
  - auxiliary: [source]
    targets: [{name: BrainMRI, data: target}, gone]
published: [rerun]
"""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plan beside the sets that it names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAPROMPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("COLUMNS", "200")
    for number, name in enumerate(("source", "target")):
        _draw(tmp_path / name, np.random.default_rng(number))
    path = tmp_path / "mine.yaml"
    path.write_text(PLAN)
    return path


def _draw(root: Path, rng: np.random.Generator) -> None:
    """Noise, and noise with a bright square and its mask."""
    for name in ("good", "bad", "masks"):
        (root / name).mkdir(parents=True)
    for i in range(5):
        pixels = rng.integers(60, 120, (2, 64, 64, 3), dtype=np.uint8)
        mask = np.zeros((64, 64), dtype=np.uint8)
        mask[8 * i : 8 * i + 20, 20:40] = 255
        pixels[1][mask > 0] = 250
        Image.fromarray(pixels[0]).save(root / "good" / f"{i}.png")
        Image.fromarray(pixels[1]).save(root / "bad" / f"b{i}.png")
        Image.fromarray(mask).save(root / "masks" / f"b{i}.png")


def _run(*args: str) -> subprocess.CompletedProcess[str]:
    command = (*PROGRAM, "benchmark", *args, "--workers", "0", "--device", "cpu")
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def _started(*args: str) -> "subprocess.Popen[str]":
    command = (*PROGRAM, "benchmark", *args, "--workers", "0", "--device", "cpu")
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _wait(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    until(lambda: condition() or process.poll() is not None, "a run that got there")
    assert condition(), "it ended before it could be stopped"


def test_killed_twice_it_goes_on_to_tables_and_page(plan: Path) -> None:
    out = plan.parent / "runs" / "mine"
    for pattern in ("training/*/epoch-01.safetensors", "training/*.json"):
        process = _started(str(plan))
        _wait(lambda: bool(list(out.glob(pattern))), process)  # noqa: B023 (called at once)
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
    learned = {path: path.read_bytes() for path in out.glob("training/*.json")}
    ended = _run(str(plan))
    assert ended.returncode == 0, ended.stderr
    assert "FAPrompt" in ended.stdout
    assert "missing: gone" in ended.stdout
    assert "runs/mine/report.html" in ended.stdout
    assert {path: path.read_bytes() for path in learned} == learned
    log = [json.loads(line)["hash"] for line in (out / "log.jsonl").read_text().splitlines()]
    assert len(log) == len(set(log)) == 3  # one without seeds, two seeds
    for name in ("report.html", "results.md", "results.parquet"):
        assert (out / name).stat().st_size
    again = _run(str(plan))
    assert again.stdout == ended.stdout
    assert "scoring" not in again.stderr
    assert "learning" not in again.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_interrupted_it_says_how_to_continue(plan: Path) -> None:
    out = plan.parent / "out"
    process = _started(str(plan), "--out", "out")
    _wait(lambda: bool(list(out.glob("training/*/run.json"))), process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "the same command continues out" in said


def test_errors_are_one_line(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan.write_text(PLAN.replace("seeds", "sedes"))
    with pytest.raises(SystemExit) as ended:
        cli.main(["benchmark", str(plan)])
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert "unknown setting 'sedes'; did you mean 'seeds'?" in told
    assert told.count("\n") == 1


def test_help_names_the_shipped_plans(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["benchmark", "--help"])
    assert "small.yaml" in capsys.readouterr().out
