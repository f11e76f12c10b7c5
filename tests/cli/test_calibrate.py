"""From good images to decisions and back, as a user types it; the model sees brightness alone."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from graphs import write_simple_model
from PIL import Image
from random_model import random_model
from typer.testing import CliRunner, Result
from watches import render_video

from faprompt.cli.main import load_commands
from faprompt.data.hashing import content_hash
from faprompt.detection.station import Station
from faprompt.errors import ConfigError, DataError, FAPromptError, StationError

NORMAL = range(20, 70, 5)  # ten shades of grey
RATES = ("--false-alarms", 0.1, "--review-rate", 0.3)


def grey(path: Path, shade: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 6), shade).save(path)
    return path


def run(*args: object, ok: bool = True) -> Result:
    result = CliRunner().invoke(load_commands(), [str(arg) for arg in args])
    if ok:
        assert result.exit_code == 0, result.output + str(result.exception)
    return result


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_simple_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    for shade in NORMAL:
        grey(tmp_path / "good" / f"{shade}.png", shade)
    for shade in (40, 200, 220):
        grey(tmp_path / "bad" / "scratch" / f"{shade}.png", shade)
    return tmp_path


@pytest.fixture
def station(model: Path, parts: Path) -> Path:
    out = parts / "station.json"
    run("calibrate", "--normal", parts / "good", "--model", model, "--out", out, *RATES)
    return out


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]


def test_a_station_records_what_it_was_made_from(model: Path, parts: Path) -> None:
    bad = grey(parts / "bad" / "69.png", 69)
    out = parts / "station.json"
    command = ("calibrate", "--normal", parts / "good", "--anomalous", parts / "bad")
    result = run(*command, "--model", model, "--out", out, "--product", "tile", *RATES)
    station = Station.read(out)
    shades = {content_hash(parts / "good" / f"{shade}.png") for shade in NORMAL}
    assert set(station.normal_hashes) == shades
    assert [image.sha256 for image in station.anomalous] == [content_hash(bad)]
    assert (station.product, station.precision, station.input_size) == ("tile", "fp32", 32)
    assert station.normal_scores == tuple(sorted(station.normal_scores))  # brightness, by name
    assert "tile: calibrated on 10 normal images" in result.output
    assert "0 of 1 anomalous images are not called NG" in result.output


def test_folders_of_anomalous_kinds_count_together(model: Path, parts: Path) -> None:
    out = parts / "s.json"
    command = ("calibrate", "--normal", parts / "good", "--anomalous", parts / "bad")
    result = run(*command, "--model", model, "--out", out, *RATES)
    # 40 is the same picture as a normal one: given as both it counts as neither
    assert "given as normal and" in result.stderr
    assert len(Station.read(out).normal) == 9
    assert len(Station.read(out).anomalous) == 2


def test_predictions_are_decided_and_can_be_traced(
    model: Path, parts: Path, station: Path, tmp_path: Path
) -> None:
    for shade in (5, 60, 90):
        grey(parts / "new" / f"{shade}.png", shade)
    out = tmp_path / "out"
    result = run("predict", parts / "new", "--out", out, "--model", model, "--station", station)
    assert "good: 1 OK, 1 UNSURE, 1 NG" in result.output
    known = Station.read(station)
    rows = {Path(row["path"]).name: row for row in rows_of(out)}
    assert {name: row["decision"] for name, row in rows.items()} == {
        "5.png": "OK", "60.png": "UNSURE", "90.png": "NG",
    }  # fmt: skip
    for row in rows.values():
        assert row["sha256"] == content_hash(row["path"])
        assert row["station_sha256"] == known.sha256 == content_hash(station)
        assert row["model_sha256"] == known.model_sha256
        assert row["margin"] == known.decide(row["image_score"]).margin
    with (out / "predictions.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["decision"] for row in table] == ["NG", "UNSURE", "OK"]
    assert float(table[0]["image_score"]) == rows["90.png"]["image_score"]  # raw, not rounded


def test_predictions_warn_of_drift(model: Path, parts: Path, station: Path) -> None:
    for shade in range(100, 125):
        grey(parts / "bright" / f"{shade}.png", shade)
    out = parts / "out"
    result = run("predict", parts / "bright", "--out", out, "--model", model, "--station", station)
    assert "drift: the scores differ from those of the calibration" in result.stderr
    for paths in ([out], [parts / "bright"]):
        result = run("drift", *paths, "--station", station, "--model", model)
        assert "good: the scores differ" in result.output
        assert "25 recent images" in result.output
    result = run("drift", parts / "good", "--station", station, "--model", model)
    assert "good: no drift seen (10 recent images, distance 0.00, p = 1.0000)" in result.output


def test_drift_compares_only_what_was_looked_at_alike(model: Path, parts: Path) -> None:
    area, out = ("--roi", "0,0 4,0 4,6 0,6"), parts / "s.json"
    run("calibrate", "--normal", parts / "good", "--model", model, "--out", out, *RATES, *area)
    drift = ("drift", "--station", out, "--model", model)
    assert "no drift seen (10 recent" in run(*drift, parts / "good", *area).output
    for name, options in (("whole", ()), ("area", area)):
        run("predict", parts / "good", "--out", parts / name, "--model", model, *options)
    assert "no drift seen (10 recent" in run(*drift, parts / "area").output
    for paths in ("whole", "good"):
        error = run(*drift, parts / paths, ok=False).exception
        assert isinstance(error, StationError)
        assert "calibrated with other settings (areas was" in str(error)
    (parts / "whole" / "run.json").write_text("{")
    assert isinstance(run(*drift, parts / "whole", ok=False).exception, DataError)


def test_a_reference_is_no_normal_image(parts: Path, tmp_path_factory: Any) -> None:
    options = random_model(tmp_path_factory.mktemp("random"))
    grey(parts / "refs" / "a.png", 20)  # one of the normal ones: compared with itself it is new to
    out = parts / "s.json"  # nothing, and its score is no example of those to come
    command = ("calibrate", "--normal", parts / "good", "--reference", parts / "refs", *options)
    result = run(*command, "--out", out, *RATES)
    assert "20.png: a reference, which is compared with itself" in " ".join(result.stderr.split())
    station = Station.read(out)
    assert len(station.normal) == 9
    assert content_hash(parts / "refs" / "a.png") not in station.normal_hashes
    assert set(station.settings) == {"references_sha256"}


def test_a_station_with_references_watches_with_them(parts: Path, tmp_path_factory: Any) -> None:
    options = random_model(tmp_path_factory.mktemp("random"))
    grey(parts / "refs" / "a.png", 120)
    station, belt = parts / "s.json", render_video(parts / "belt.avi", [20, 240])
    reference = ("--reference", parts / "refs", *options)
    run("calibrate", "--normal", parts / "good", *reference, "--out", station, *RATES)
    watch = ("watch", "--source", belt, "--station", station, "--out", parts / "log")
    alone = run(*watch, *options, ok=False).exception
    assert isinstance(alone, StationError)
    assert "references_sha256 was" in str(alone)
    assert not (parts / "log").exists()
    run(*watch, *reference)
    assert [row["frame"] for row in rows_of(parts / "log")] == [1, 2]
    assert all(row["decision"] for row in rows_of(parts / "log"))


def test_bad_images_are_left_out(model: Path, parts: Path) -> None:
    (parts / "good" / "broken.png").write_bytes(b"\x89PNG")
    grey(parts / "good" / "again.png", 20)
    out = parts / "s.json"
    result = run("calibrate", "--normal", parts / "good", "--model", model, "--out", out, *RATES)
    assert len(Station.read(out).normal) == 10
    assert "broken.png" in result.stderr
    assert "same content as" in result.stderr


def test_too_few_images_are_refused_with_the_number(model: Path, parts: Path) -> None:
    command = ("calibrate", "--normal", parts / "good", "--model", model)
    result = run(*command, "--out", parts / "s.json", ok=False)
    assert isinstance(result.exception, DataError)
    assert "10 normal images are too few for a rate of 0.01: needed are 99" in str(result.exception)
    assert not (parts / "s.json").exists()


def test_several_products_get_a_file_each(model: Path, parts: Path) -> None:
    for shade in NORMAL:
        grey(parts / "shelf" / "nut" / f"{shade}.png", shade)
        grey(parts / "shelf" / "bolt" / f"{shade}.png", shade + 100)
    grey(parts / "shelf" / "rare" / "1.png", 1)
    command = ("calibrate", "--normal", parts / "shelf", "--model", model, *RATES)
    result = run(*command, "--out", parts / "s.json", ok=False)
    assert isinstance(result.exception, ConfigError)
    assert "there are 3 (bolt, nut, rare)" in str(result.exception)
    result = run(*command, "--out", parts / "stations", ok=False)
    assert result.exit_code == 1  # one of three has too few images; the others are done
    assert "left out: rare: 1 normal images are too few" in result.stderr
    bolt, nut = (Station.read(parts / "stations" / f"{n}.json") for n in ("bolt", "nut"))
    assert (bolt.product, nut.product) == ("bolt", "nut")
    assert bolt.threshold > nut.threshold
    run(*command, "--out", parts / "one.json", "--product", "nut")
    assert Station.read(parts / "one.json").threshold == nut.threshold
    result = run(*command, "--out", parts / "one.json", "--product", "nutt", ok=False)
    assert "did you mean 'nut'" in str(result.exception)


def test_a_labelled_set_gives_its_normal_images(model: Path, parts: Path) -> None:
    result = run(
        "calibrate", "--normal", parts, "--model", model, "--out", parts / "s.json", *RATES
    )
    assert "calibrated on 10 normal images" in result.output


@pytest.mark.parametrize("command", ["predict", "drift"])
def test_a_station_of_another_model_is_refused(
    command: str, model: Path, parts: Path, station: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(parts)
    record = json.loads((model / "model.json").read_text())
    other = write_simple_model(parts / "other")
    (other / "model.json").write_text(json.dumps(record | {"checkpoint_sha256": "f" * 64}))
    result = run(command, parts / "good", "--station", station, "--model", other, ok=False)
    assert isinstance(result.exception, StationError)
    assert "not for this one (ffffffffffff)" in str(result.exception)


def test_the_review_loop_recalibrates_and_keeps_its_trace(
    model: Path, parts: Path, station: Path
) -> None:
    for shade in (1, 2, 3, 61, 66, 90, 95):
        grey(parts / "new" / f"{shade}.png", shade)
    out, review, new = parts / "out", parts / "review", parts / "new.json"
    run("predict", parts / "new", "--out", out, "--model", model, "--station", station)
    run("review", "export", "--predictions", out, "--out", review, "--number", 3)
    with (review / "labels.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert {Path(line["path"]).name for line in lines[:1]} <= {"61.png", "66.png"}
    assert lines[0]["decision"] == "UNSURE"
    for line in lines:
        assert content_hash(review / line["image"]) == line["sha256"]
    assert len(list((review / "maps").iterdir())) == 3
    result = run("review", "export", "--predictions", out, "--out", review, ok=False)
    assert "is there already, perhaps with labels" in str(result.exception)

    text = (review / "labels.csv").read_text().splitlines()
    (review / "labels.csv").write_text("\n".join([text[0], *("ok" + t for t in text[1:])]))
    options = ("--labels", review / "labels.csv", "--station", station)
    result = run("review", "apply", *options, "--out", new)
    assert "3 labels: 3 ok, 0 ng" in result.output
    before, after = Station.read(station), Station.read(new)
    assert after.threshold > before.threshold
    assert after.normal == before.normal
    assert len(after.reviewed_normal) == 3
    assert after.history[0].station_sha256 == before.sha256
    assert after.history[0].labels_sha256 == content_hash(review / "labels.csv")
    result = run("review", "apply", *options, "--out", station, ok=False)
    assert "is the station itself" in str(result.exception)


def test_review_needs_decisions(model: Path, parts: Path) -> None:
    run("predict", parts / "good", "--out", parts / "out", "--model", model)
    result = run("review", "export", "--predictions", parts / "out", ok=False)
    assert isinstance(result.exception, FAPromptError)
    assert "10 images have no decision; predict with --station" in str(result.exception)


@pytest.mark.parametrize("command", [["calibrate"], ["drift"], ["review", "apply"]])
def test_help_does_not_import_torch(command: list[str]) -> None:
    code = (
        "import sys; from faprompt.cli.main import main\n"
        f"try: main({[*command, '--help']})\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"--station" in done.stdout or b"--normal" in done.stdout
