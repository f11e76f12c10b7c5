"""``watch`` as a user types it, on a model whose score is brightness."""

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from graphs import write_simple_model
from PIL import Image
from typer.testing import CliRunner, Result

from faprompt.cli.main import load_commands
from faprompt.data.hashing import content_hash
from faprompt.detection.frames import Frame
from faprompt.detection.station import Station


def run(*args: object) -> Result:
    return CliRunner().invoke(load_commands(), [str(arg) for arg in args])


def grey(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 6), shade).save(path)


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """A model, and a station that says NG above the shade 65 and UNSURE from 55 on."""
    root = tmp_path_factory.mktemp("watch")
    model = write_simple_model(root / "model")
    for shade in range(20, 70, 5):
        grey(root / "good" / f"{shade}.png", shade)
    rates = ("--false-alarms", 0.1, "--review-rate", 0.3, "--out", root / "s.json")
    assert run("calibrate", "--normal", root / "good", "--model", model, *rates).exit_code == 0
    return ["--model", model, "--station", root / "s.json", "--settle", 0, "--once"]


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_files_are_decided_once_also_after_a_restart(options: list[Any], tmp_path: Path) -> None:
    for shade in (10, 60, 200):
        grey(tmp_path / "in" / f"{shade}.png", shade)
    (tmp_path / "in" / "broken.png").write_bytes(b"\x89PNG")
    code = f"import sys; open({str(tmp_path / 'alarms')!r}, 'a').write(sys.argv[1] + chr(10))"
    command = ["watch", tmp_path / "in", "--out", tmp_path / "out", *options]
    command += ["--on-ng", f'{sys.executable} -c "{code}" {{path}}']
    result = run(*command)
    assert result.exit_code == 0, result.output
    rows = {Path(row["path"]).name: row for row in log_of(tmp_path / "out")}
    assert {name: row.get("decision") for name, row in rows.items()} == {
        "10.png": "OK",
        "60.png": "UNSURE",
        "200.png": "NG",
        "broken.png": None,
    }
    assert "broken.png" in rows["broken.png"]["error"]
    station = Station.read(options[3])
    for name in ("10.png", "60.png", "200.png"):
        assert rows[name]["sha256"] == content_hash(rows[name]["path"])
        assert rows[name]["station_sha256"] == station.sha256
        assert rows[name]["margin"] == station.decide(rows[name]["image_score"]).margin
    assert rows["200.png"]["hook"] == "done"
    assert (tmp_path / "alarms").read_text() == f"{tmp_path / 'in' / '200.png'}\n"

    grey(tmp_path / "in" / "new.png", 15)
    result = run(*command)
    assert "good: 1 OK; log:" in result.stdout
    assert len(log_of(tmp_path / "out")) == 5
    assert len((tmp_path / "alarms").read_text().splitlines()) == 1


def test_a_video_is_decided_frame_by_frame_and_resumed(options: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "line.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for i in range(12):
        writer.write(np.full((48, 64, 3), 200 if i == 6 else 30, np.uint8))
    writer.release()
    command = ["watch", "--source", path, "--every", 3, "--out", tmp_path / "out", *options]
    result = run(*command)
    assert result.exit_code == 0, result.output
    rows = log_of(tmp_path / "out")
    assert [(row["frame"], row["decision"]) for row in rows] == [
        (0, "OK"),
        (3, "OK"),
        (6, "NG"),
        (9, "OK"),
    ]
    assert [row["seconds"] for row in rows] == [0.0, 0.3, 0.6, 0.9]
    kept = np.array(Image.open(rows[2]["path"]))
    frame = Frame(number=6, seconds=0.6, pixels=kept)
    assert frame.pixels_sha256 == rows[2]["pixels_sha256"]  # without loss

    log = tmp_path / "out" / "log.jsonl"
    log.write_text("".join(f"{line}\n" for line in log.read_text().splitlines()[:2]))  # killed
    run(*command)
    assert [row["frame"] for row in log_of(tmp_path / "out")] == [0, 3, 6, 9]


@pytest.mark.parametrize("where", [[], ["x", "--source", "0"]])
def test_one_of_folder_and_source_is_needed(where: list[str], options: list[Any]) -> None:
    result = run("watch", *where, *options)
    assert result.exit_code == 2
    assert "needed is a FOLDER, or --source" in result.stderr
