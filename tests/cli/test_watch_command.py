"""The ``watch`` command: usage, what is shown, signals."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import watch_process
from patience import PATIENCE, until
from typer.testing import CliRunner, Result
from watches import grey, render_video, tenths

from faprompt.cli import options
from faprompt.cli.main import load_commands
from faprompt.errors import DataError

SOURCES = Path(__file__).parents[2] / "src"


@pytest.fixture
def station(tmp_path: Path) -> Path:
    tenths().write(tmp_path / "station.json")
    return tmp_path / "station.json"


def run(*args: object) -> Result:
    return CliRunner().invoke(load_commands(), ["watch", *(str(arg) for arg in args)])


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def words(text: str) -> str:
    """Without the frame that usage errors come in."""
    return " ".join(re.sub(r"\x1b\[[\d;]*m|[^\w -]", " ", text).split())


@contextmanager
def watching(*args: object) -> Iterator["subprocess.Popen[str]"]:
    """The command as a process, killed at the end if it still runs."""
    path = os.pathsep.join([str(SOURCES), *sys.path])
    process = subprocess.Popen(
        [sys.executable, watch_process.__file__, "watch", *map(str, args)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_summary_and_a_restart_goes_on(
    ending: signal.Signals, tmp_path: Path, station: Path
) -> None:
    inbox, out = tmp_path / "in", tmp_path / "out"
    inbox.mkdir()
    grey(inbox / "ok.png", 0.2)
    (inbox / "bad.png").write_bytes(b"no image")
    log = out / "predictions.jsonl"
    command = shlex.join([sys.executable, "-c", "import sys; sys.exit('no lamp')", "{path}"])
    hook = ("--on-ng", command, "--hook-timeout", PATIENCE)
    args = (inbox, "--station", station, "--out", out, "--poll", 0.05, *hook)
    with watching(*args) as process:
        until(lambda: len(rows(log)) == 1, "the image that was there")
        grey(inbox / "ng.png", 0.9)
        until(lambda: len(rows(log)) == 2, "the image that came")
        process.send_signal(ending)
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    for pattern in (
        rf"watching {inbox} for nut \(Ctrl\+C ends\)",
        rf"left out: {inbox}/bad\.png: not an image",
        rf"\d\d:\d\d:\d\d  OK      0\.200  margin 0\.300  {inbox}/ok\.png",
        rf"\d\d:\d\d:\d\d  NG      0\.902  margin 0\.102  {inbox}/ng\.png",
        rf"{inbox}/ng\.png: command failed: exit status 1: no lamp",
        r"2 images in \d+ s; 1 OK, 0 UNSURE, 1 NG; 1 left out; 1 commands failed",
    ):
        assert re.search(pattern, output), (pattern, output)
    with watching(*args) as process:
        grey(inbox / "next.png", 0.6)
        until(lambda: len(rows(log)) == 3, "the image after the restart")
        process.send_signal(ending)
        output, _ = process.communicate(timeout=PATIENCE)
    assert "1 images in" in output
    assert "bad.png" not in output
    assert [Path(row["path"]).name for row in rows(log)] == ["ok.png", "ng.png", "next.png"]


def test_the_image_at_hand_is_finished_first(tmp_path: Path, station: Path) -> None:
    inbox, out = tmp_path / "in", tmp_path / "out"
    inbox.mkdir()
    grey(inbox / "ng.png", 0.9)
    begun, asked, done = (tmp_path / name for name in ("begun", "asked", "done"))
    code = "import sys, pathlib, time; begun, asked, done = map(pathlib.Path, sys.argv[1:]); "
    code += "begun.touch()\nwhile not asked.exists(): time.sleep(0.01)\ndone.touch()"
    command = shlex.join([sys.executable, "-c", code, *map(str, (begun, asked, done))])
    hook = ("--on-ng", command, "--hook-timeout", PATIENCE)
    args = (inbox, "--station", station, "--out", out, "--poll", 0.05, *hook)
    with watching(*args) as process:
        until(begun.exists, "the command")
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl+C does: to all of the terminal
        asked.touch()
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert done.exists()
    assert [row["hook"] for row in rows(out / "predictions.jsonl")] == ["done"]


def test_a_name_that_is_no_utf8_can_be_shown(tmp_path: Path, station: Path) -> None:
    inbox, out = tmp_path / "in", tmp_path / "out"
    inbox.mkdir()
    grey(inbox / "a.png", 0.9).rename(Path(os.fsdecode(os.fsencode(inbox) + b"/\xff.png")))
    with watching(inbox, "--station", station, "--out", out, "--poll", 0.05) as process:
        until(lambda: rows(out / "predictions.jsonl"), "the image")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    assert "\\udcff.png" in output


def test_a_video_ends_the_command_with_a_summary(
    tmp_path: Path, station: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "load_model", lambda *_, **__: watch_process.Loaded())
    source = render_video(tmp_path / "belt.avi", [20, 240, 20, 20, 240])
    out = tmp_path / "out"
    before = signal.getsignal(signal.SIGINT)
    result = run("--source", source, "--station", station, "--out", out, "--every", 2)
    assert result.exit_code == 0, result.output
    assert re.search(rf"NG .*  {source} #5\n", result.stdout)
    assert "3 images in" in result.stdout
    assert "2 OK, 0 UNSURE, 1 NG\n" in result.stdout
    assert (out / "frames" / "belt-00000005.png").is_file()
    assert signal.getsignal(signal.SIGINT) is before


def test_the_shipped_model_watches_a_video(tmp_path: Path) -> None:
    source = render_video(tmp_path / "belt.avi", [20, 240])
    result = run("--source", source, "--out", tmp_path / "out", "--precision", "fp32")
    assert result.exit_code == 0, result.output
    assert "scores alone, as there is no --station" in result.stderr
    found = rows(tmp_path / "out" / "predictions.jsonl")
    assert [row["frame"] for row in found] == [1, 2]
    assert "decision" not in found[0]
    assert not (tmp_path / "out" / "frames").exists()


def test_a_video_that_is_not_there_is_told_before_the_model_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "load_model", lambda *_, **__: pytest.fail("loaded"))
    result = run("--source", tmp_path / "none.avi", "--out", tmp_path / "out")
    assert isinstance(result.exception, DataError)
    assert "none.avi: cannot be opened; needed is a video file" in str(result.exception)
    assert not result.output


def test_without_an_image_no_log_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "load_model", lambda *_, **__: watch_process.Loaded())
    (tmp_path / "broken.avi").write_bytes(b"no video" * 9)
    result = run("--source", tmp_path / "broken.avi", "--out", tmp_path / "out")
    assert isinstance(result.exception, DataError)
    assert re.fullmatch(r"0 images in \d+ s\n", result.stdout)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ([], "needed is a FOLDER or --source one of them"),
        (["in", "--source", "0"], "needed is a FOLDER or --source one of them"),
        (["in", "--on-ng", "echo"], "--on-ng needs --station without one nothing is NG"),
        (["in", "--whole"], "--whole needs --tile"),
    ],
)
def test_wrong_usage(args: list[str], text: str) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert text in words(result.stderr)


def test_a_station_of_other_settings_is_refused_before_an_image_comes(
    tmp_path: Path, station: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "load_model", lambda *_, **__: watch_process.Loaded())
    args = (tmp_path, "--station", station, "--out", tmp_path / "out", "--tile", 32)
    result = run(*args)
    assert "calibrated with other settings (tiling was None" in str(result.exception)
    assert not (tmp_path / "out").exists()
