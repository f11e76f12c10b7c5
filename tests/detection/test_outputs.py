"""Prediction folders: rows, names, continuation, refusals."""

import csv
import json
from pathlib import Path, PurePosixPath

import pytest
from PIL import Image

from faprompt.data.listing import Listed
from faprompt.detection.detector import Detector
from faprompt.detection.outputs import PredictionFolder
from faprompt.errors import ConfigError, OutputError

SETTINGS = {"model": "tiny", "model_sha256": "abc"}


def fill(folder: PredictionFolder, detector: Detector, root: Path) -> None:
    for path in sorted(root.rglob("test/**/*.png")):
        folder.add(detector.predict(path), PurePosixPath(path.name))
    folder.finish()


def test_rows_and_maps(detector: Detector, folder: Path, tmp_path: Path) -> None:
    out = PredictionFolder.open(tmp_path / "out", SETTINGS)
    fill(out, detector, folder)
    rows = [json.loads(line) for line in (tmp_path / "out/predictions.jsonl").open()]
    with (tmp_path / "out/predictions.csv").open() as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == ["path", "image_score", "width", "height", "milliseconds"]
    scores = [float(row["image_score"]) for row in table]
    assert scores == sorted(scores, reverse=True)
    assert {row["path"] for row in rows} == {row["path"] for row in table}
    assert len({row["map"] for row in rows}) == 4  # 0.png and 1.png come from two folders
    for row in rows:
        with Image.open(tmp_path / "out" / row["map"]) as picture:
            assert picture.size == (row["width"], row["height"])


def test_an_interrupted_run_goes_on_where_it_was(
    detector: Detector, folder: Path, tmp_path: Path
) -> None:
    paths = sorted(folder.rglob("test/**/*.png"))
    listed = [Listed(path, PurePosixPath(path.name)) for path in paths]
    first = PredictionFolder.open(tmp_path / "out", SETTINGS)
    first.add(detector.predict(paths[0]), PurePosixPath("0.png"))
    with (tmp_path / "out/predictions.jsonl").open("a") as file:
        file.write('{"path": "cut off')  # killed while writing
    again = PredictionFolder.open(tmp_path / "out", SETTINGS)
    assert [item.path for item in again.pending(listed)] == paths[1:]
    again.add(detector.predict(paths[1]), PurePosixPath("1.png"))
    lines = (tmp_path / "out/predictions.jsonl").read_text().splitlines()
    assert [json.loads(line)["path"] for line in lines] == [str(p) for p in paths[:2]]


def test_other_settings_are_refused_with_the_difference(tmp_path: Path) -> None:
    PredictionFolder.open(tmp_path, SETTINGS)
    with pytest.raises(ConfigError, match="model_sha256 was abc, now def"):
        PredictionFolder.open(tmp_path, {**SETTINGS, "model_sha256": "def"})
    with pytest.raises(ConfigError, match="map_format was png, now None"):
        PredictionFolder.open(tmp_path, SETTINGS, map_format=None)


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(OutputError, match="not empty and not a prediction run"):
        PredictionFolder.open(tmp_path, SETTINGS)


def test_a_run_killed_at_its_very_first_file_goes_on(tmp_path: Path) -> None:
    (tmp_path / ".run.json.a1b2c3d4").touch()  # what the kill left of run.json
    PredictionFolder.open(tmp_path, SETTINGS)
    assert (tmp_path / "run.json").is_file()


def test_no_maps(detector: Detector, folder: Path, tmp_path: Path) -> None:
    fill(PredictionFolder.open(tmp_path / "out", SETTINGS, map_format=None), detector, folder)
    assert not (tmp_path / "out/maps").exists()


def test_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be one of png, jpg, got 'gif'"):
        PredictionFolder.open(tmp_path, SETTINGS, map_format="gif")
