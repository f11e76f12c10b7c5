"""``predict --engine local`` with every option that plain ``predict`` has: the same rows."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from completeness import rows_of
from PIL import Image
from random_model import noisy_parts, random_model, run
from served import served

from faprompt.data.hashing import content_hash
from faprompt.detection.station import Station
from faprompt.errors import ConfigError, DataError, StationError
from faprompt.scale.model import describe
from faprompt.scale.region_column import from_column

Row = dict[str, Any]
OWN = {"index", "milliseconds", "map", "values", "mask", "regions", "error"}
"""Columns that plain rows have not, or that differ from run to run."""
ROI = ("--roi", "0,0 20,0 20,20 0,20", "--ignore", "0,0 5,0 5,40 0,40")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [*random_model(tmp_path_factory.mktemp("model")), "--precision", "fp32"]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return noisy_parts(tmp_path_factory.mktemp("data") / "parts", each=4)


@pytest.fixture(scope="module")
def station(model: list[str], parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return calibrated(tmp_path_factory.mktemp("station") / "a.json", parts, model)


def calibrated(path: Path, parts: Path, model: list[str], *options: object) -> Path:
    rates = ("--false-alarms", 0.25, "--review-rate", 0.5, "--batch-size", 1)
    done = run("calibrate", "--normal", parts / "normal", "--out", path, *rates, *options, *model)
    assert done.exit_code == 0, done.output
    return path


def lines(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def both(out: Path, *command: object) -> tuple[list[Row], list[Row]]:
    """Rows of plain ``predict`` and of the engine, whose shards cut the batches."""
    done = run("predict", *command, "--out", out / "plain")
    assert done.exit_code == 0, done.output
    done = run("predict", *command, "--out", out / "many", "--engine", "local", "--shard-size", 5)
    assert done.exit_code == 0, done.output
    return lines(out / "plain" / "predictions.jsonl"), rows_of(out / "many")


def assert_same(plain: list[Row], many: list[Row]) -> None:
    assert [row["path"] for row in many] == [row["path"] for row in plain]
    for expected, row in zip(plain, many, strict=True):
        assert row["error"] is None
        assert {k for k, v in row.items() if v is not None} - OWN == expected.keys() - OWN
        for name in expected.keys() - OWN:
            value = expected[name]
            same = pytest.approx(value, abs=1e-5) if isinstance(value, float) else value
            assert row[name] == same, name


@pytest.mark.parametrize(
    "options",
    [(), ROI, ("--tile", 24, "--overlap", 0.5), ("--tile", "auto", "--whole", *ROI)],
    ids=["plain", "areas", "tiles", "tiles of areas"],
)
def test_rows_are_those_of_plain_predict(
    options: tuple[object, ...], model: list[str], parts: Path, tmp_path: Path
) -> None:
    plain, many = both(tmp_path, parts, "--batch-size", 2, *options, *model)
    assert len(many) == 12
    assert all(row["sha256"] == content_hash(row["path"]) for row in many)
    assert_same(plain, many)


def test_decisions_are_those_of_plain_predict(
    station: Path, model: list[str], parts: Path, tmp_path: Path
) -> None:
    """One image per batch, as in the calibration, whose scores are thresholds to the last bit."""
    command = (parts, "--station", station, "--batch-size", 1, *model)
    many = run("predict", *command, "--out", tmp_path / "told", "--engine", "local")
    plain, rows = both(tmp_path, *command)
    assert_same(plain, rows)
    verdicts = [row["decision"] for row in rows]
    assert len(set(verdicts)) > 1
    counts = ", ".join(f"{verdicts.count(name)} {name}" for name in ("OK", "UNSURE", "NG"))
    assert f"normal: {counts}" in many.stdout
    assert "decision" in many.stdout
    about = json.loads((tmp_path / "many" / "summary.json").read_text())
    assert about["decisions"] == {name: verdicts.count(name) for name in set(verdicts)}


def test_references_are_compared_with(model: list[str], parts: Path, tmp_path: Path) -> None:
    reference = ("--reference", parts / "normal", *model)
    plain, many = both(tmp_path, parts / "anomalous", "--batch-size", 3, *reference)
    assert_same(plain, many)
    _, zero = both(tmp_path / "zero", parts / "anomalous", *model)
    assert all(a["image_score"] != b["image_score"] for a, b in zip(many, zero, strict=True))


def test_regions_are_those_of_plain_predict(model: list[str], parts: Path, tmp_path: Path) -> None:
    """One image per batch: the maps are equal to the last bit, and so is where they are cut."""
    regions = ("--regions", "--pixel-threshold", 0.5, "--min-area", 2, "--mm-per-pixel", 2)
    plain, many = both(tmp_path, parts, *regions, "--maps", "--batch-size", 1, *model)
    assert_same(plain, many)
    expected = lines(tmp_path / "plain" / "regions.jsonl")
    assert sum(len(row["regions"]) for row in expected) > 3
    for row, found, shown in zip(expected, many, plain, strict=True):
        assert from_column(found["regions"]) == row["regions"]
        for mine, other in ((found["mask"], row["mask"]), (found["map"], shown["map"])):
            assert np.array_equal(
                np.asarray(Image.open(tmp_path / "many" / mine)),
                np.asarray(Image.open(tmp_path / "plain" / other)),
            )
    coco = [json.loads((tmp_path / n / "regions.coco.json").read_text()) for n in ("plain", "many")]
    assert coco[0] == coco[1]
    tables = [table(tmp_path / name / "regions.csv") for name in ("plain", "many")]
    assert sorted(tables[0]) == sorted(tables[1])
    order = [row["path"] for row in many]
    places = [order.index(line[0]) for line in tables[1]]
    assert places == sorted(places)


def table(path: Path) -> list[list[Any]]:
    """Lines without the heading; numbers as such, however they are written."""
    _, *found = csv.reader(path.open())
    return [[float(x) if x[:1].isdigit() else x for x in line] for line in found]


def test_without_maps_there_are_no_pictures(model: list[str], parts: Path, tmp_path: Path) -> None:
    regions = ("--regions", "--pixel-threshold", 0.01)
    _, rows = both(tmp_path, parts, *regions, *model)
    assert {len(row["regions"]) for row in rows} == {1}
    assert {row["mask"] for row in rows} == {None}
    assert {p.name for p in (tmp_path / "many").iterdir()} == {
        "run.json", "plan.json", "plan", "shards", "errors.jsonl", "summary.json", "regions.csv",
        "regions.coco.json",
    }  # fmt: skip


def test_a_large_tiff_elsewhere_is_looked_at_by_windows(model: list[str], tmp_path: Path) -> None:
    """Fetched once: its hash is that of the file, and its rows are read from the copy."""
    (tmp_path / "in").mkdir()
    pixels = np.random.default_rng(1).integers(0, 255, (120, 200, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "in" / "a.tif", pixels, photometric="rgb", tile=(64, 64))
    limit = ("--tile", 64, "--max-pixels", 10_000, "--maps", *model)
    plain, many = both(tmp_path, tmp_path / "in", *limit)
    assert_same(plain, many)
    values = [
        tifffile.imread(tmp_path / name / row["values"])
        for name, (row,) in (("plain", plain), ("many", many))
    ]
    assert values[0].shape == (120, 200)
    assert np.array_equal(values[0], values[1])
    with served(tmp_path / "in") as url:
        command = ("predict", f"{url}/a.tif", "--out", tmp_path / "web", "--engine", "local")
        assert run(*command, *limit).exit_code == 0
    (row,) = rows_of(tmp_path / "web")
    assert row | {"path": many[0]["path"], "milliseconds": 0} == many[0] | {"milliseconds": 0}
    assert row["path"] == f"{url}/a.tif"


def test_drift_and_review_read_its_rows(
    station: Path, model: list[str], parts: Path, tmp_path: Path
) -> None:
    command = (parts, "--station", station, "--batch-size", 1, "--maps", *model)
    both(tmp_path, *command)
    told = [
        run("drift", tmp_path / name, "--station", station).output for name in ("plain", "many")
    ]
    assert "12 recent images" in told[0]
    assert told[0] == told[1]
    for name in ("plain", "many"):
        chosen = ("--predictions", tmp_path / name, "--out", tmp_path / f"r-{name}")
        done = run("review", "export", *chosen, "--number", 3, "--random", 3)
        assert done.exit_code == 0, done.output
    labels = [(tmp_path / f"r-{n}" / "labels.csv").read_text() for n in ("plain", "many")]
    assert labels[0] == labels[1]
    assert len(labels[0].splitlines()) - 1 == len(list((tmp_path / "r-many" / "maps").iterdir()))
    assert len(labels[0].splitlines()) > 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--station", "station.json"), "station_sha256 was"),
        (("--regions", "--pixel-threshold", "0.5"), "regions was"),
        (ROI, "areas was"),
        (("--reference", "good"), "references_sha256 was"),
        (("--tile", "32"), "tiling was"),
    ],
)
def test_other_options_are_another_run(
    options: tuple[str, ...], message: str, station: Path, model: list[str], parts: Path,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("station.json").write_bytes(station.read_bytes())
    Path("good").mkdir()
    Image.open(parts / "normal/n0.png").save("good/a.png")
    command = ("predict", parts / "anomalous", "--out", "out", "--engine", "local", *model)
    assert run(*command, *options).exit_code == 0
    shards = {p: p.stat().st_mtime_ns for p in Path("out/shards").iterdir()}
    assert run(*command, *options).exit_code == 0
    for other in ((), (*options, "--batch-size", 1)):
        refused = run(*command, *other)
        assert isinstance(refused.exception, ConfigError)
        assert ("batch_size was" if other else message) in str(refused.exception)
    assert {p: p.stat().st_mtime_ns for p in Path("out/shards").iterdir()} == shards


def test_another_station_or_other_areas_are_another_run(
    station: Path, model: list[str], parts: Path, tmp_path: Path
) -> None:
    again = calibrated(tmp_path / "b.json", parts, model, "--product", "other")
    out = ("predict", parts / "anomalous", "--engine", "local", "--out")
    assert run(*out, tmp_path / "s", "--station", station, *model).exit_code == 0
    refused = run(*out, tmp_path / "s", "--station", again, *model)
    assert "station_sha256 was" in str(refused.exception)
    assert run(*out, tmp_path / "r", *ROI, *model).exit_code == 0
    refused = run(*out, tmp_path / "r", *ROI[:2], *model)
    assert "areas was" in str(refused.exception)


def test_a_station_that_does_not_fit_is_refused_before_anything_is_written(
    station: Path, model: list[str], parts: Path, tmp_path: Path
) -> None:
    command = ("predict", parts, "--out", tmp_path / "out", "--station")
    for engine in ((), ("--engine", "local")):
        refused = run(*command, station, *ROI, *engine, *model)
        assert isinstance(refused.exception, StationError)
        assert "calibrated with other settings (areas was" in str(refused.exception)
        refused = run(*command, station, *engine)
        assert isinstance(refused.exception, StationError)
        assert "not for this one" in str(refused.exception)
    assert not (tmp_path / "out").exists()
    of_areas = calibrated(tmp_path / "areas.json", parts, model, *ROI)
    few = ("--station", of_areas, *ROI, "--batch-size", 1, "--regions", *model)
    plain, many = both(tmp_path, parts, *few)
    assert_same(plain, many)
    told = [json.loads((tmp_path / n / "run.json").read_text()) for n in ("plain", "many")]
    assert told[0]["regions"] == told[1]["regions"]
    assert told[0]["regions"]["pixel_threshold"] == Station.read(of_areas).pixel_threshold


def test_an_area_that_does_not_fit_is_an_error_of_its_image(
    model: list[str], parts: Path, tmp_path: Path
) -> None:
    roi = ("--roi", "31,0 50,0 50,20")  # right of an image of 30 x 40
    done = run(
        "predict", parts / "normal", "--out", tmp_path / "out", "--engine", "local", *roi, *model
    )
    assert done.exit_code == 1
    (row, *_) = rows_of(tmp_path / "out")
    assert f"{row['path']}: no pixel of an image of 30 x 40 counts" in row["error"]
    assert row["sha256"] is None


def test_a_worker_with_other_references_refuses(model: list[str], parts: Path) -> None:
    options = dict(zip(model[::2], model[1::2], strict=True))
    described, _ = describe(
        options["--model"], weights=options["--weights"], device="cpu", precision="fp32",
        references=str(parts / "normal"),
    )  # fmt: skip
    assert described.references is not None
    memory = described.load().memory
    assert memory is not None
    assert memory.digest == described.references.sha256
    other = replace(described.references, folder=str(parts / "anomalous"))
    with pytest.raises(DataError, match="other images than the run was planned with"):
        replace(described, references=other).load()
