"""Stations: decisions, files that tell when they were damaged or edited, and other models."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stations import scored, station

from faprompt.detection.station import Station, Step
from faprompt.errors import DataError, StationError

NG_FROM, UNSURE_FROM = math.nextafter(98, 99), math.nextafter(89, 99)


@pytest.mark.parametrize(
    ("score", "verdict", "margin"),
    [
        (0, "OK", 89),
        (89, "OK", 0),
        (UNSURE_FROM, "UNSURE", 0),
        (91, "UNSURE", 2),
        (95, "UNSURE", 3),
        (98, "UNSURE", 0),
        (NG_FROM, "NG", 0),
        (103, "NG", 5),
    ],
)
def test_decisions_and_margins(score: float, verdict: str, margin: float) -> None:
    decision = station().decide(score)
    assert decision.verdict == verdict
    assert decision.margin == pytest.approx(margin, abs=1e-9)


@given(score=st.floats(-200, 200))
def test_moving_by_less_than_the_margin_changes_no_verdict(score: float) -> None:
    one = station()
    decision = one.decide(score)
    assert decision.margin >= 0
    for moved in (score - 0.999 * decision.margin, score + 0.999 * decision.margin):
        assert one.decide(moved).verdict == decision.verdict


def test_written_and_read_it_is_the_same(tmp_path: Path) -> None:
    before = station(
        anomalous=scored([90, 200], "bad"),
        reviewed_normal=scored([99.5], "seen"),
        settings={"tile": 518},
        confidence=None,
        history=(Step(station_sha256="b" * 64, labels_sha256="c" * 64),),
    )
    before.write(tmp_path / "station.json")
    after = Station.read(tmp_path / "station.json")
    assert after == before
    assert after.sha256 == before.sha256
    assert after.lineage == {after.sha256, "b" * 64}
    values = json.loads((tmp_path / "station.json").read_text())
    assert values["normal"][3] == {"sha256": "image-3", "image_score": 3.0, "peak": 1.5}
    assert values["threshold"] == before.threshold


def test_its_name_is_the_hash_of_its_file(tmp_path: Path) -> None:
    from faprompt.data.hashing import content_hash

    station().write(tmp_path / "s.json")
    assert content_hash(tmp_path / "s.json") == station().sha256
    assert station(product="bolt").sha256 != station().sha256


DAMAGES: list[tuple[dict[str, Any], str]] = [
    ({"threshold": 0.5}, "does not follow from its scores"),
    ({"false_alarms": 0.02}, "does not follow from its scores"),
    ({"format": "faprompt-export"}, "not a station"),
    ({"format_version": 99}, "format version 99, this release reads 1: update faprompt"),
    ({"normal": [{"sha256": "x", "image_score": 1.0, "peak": 1.0}]}, "1 normal images are too few"),
    ({"normal": [{"sha256": "x"}]}, "damaged"),
    ({"normal": [{"sha256": "x", "image_score": "0.5", "peak": 0.5}] * 99}, "not a number"),
    ({"normal": None}, "damaged"),
    ({"colour": "red"}, "damaged"),
    ({"created": "yesterday"}, "yesterday"),
    ({"model_sha256": 7}, "model_sha256 is 7"),
    ({"confidence": "high"}, "confidence must lie between 0 and 1"),
]


@pytest.mark.parametrize(("damage", "text"), DAMAGES)
def test_damaged_or_edited_files_are_refused(
    damage: dict[str, Any], text: str, tmp_path: Path
) -> None:
    path = tmp_path / "station.json"
    path.write_text(json.dumps(station().to_dict() | damage))
    with pytest.raises(StationError, match=text) as error:
        Station.read(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("name", station().to_dict())
def test_no_field_may_be_missing(name: str) -> None:
    values = station().to_dict()
    del values[name]
    with pytest.raises(StationError, match="damaged, edited or not a station"):
        Station.from_text(json.dumps(values), where="station.json")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '"text"', "\ufeff{}"])
def test_what_is_no_station_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(content)
    with pytest.raises(StationError, match="not a station"):
        Station.read(tmp_path / "s.json")


def test_missing_and_binary_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    for name in ("none.json", "binary.json"):
        with pytest.raises(StationError, match="cannot be read"):
            Station.read(tmp_path / name)


def test_a_folder_of_stations_is_told_from_one(tmp_path: Path) -> None:
    with pytest.raises(StationError, match="Files in it: none"):
        Station.read(tmp_path)
    for name in ("nut", "bolt"):
        (tmp_path / f"{name}.json").touch()
    with pytest.raises(StationError, match=r"Files in it: bolt\.json, nut\.json"):
        Station.read(tmp_path)


def test_reviewed_normals_raise_thresholds_and_never_lower_them() -> None:
    # 200 uncertain cases between the thresholds: as plain calibration images they would let more
    # than one normal of 99 lie above, and lower the threshold.
    between = scored([97] * 200, "seen")
    assert station(normal=scored(range(99)) + between).threshold < station().threshold
    assert station(reviewed_normal=between).threshold == station().threshold
    raised = station(reviewed_normal=scored([120, 130], "seen"))
    assert raised.threshold == math.nextafter(130, 131)
    assert raised.pixel_threshold == math.nextafter(65, 66)


def test_miss_rates_of_both_thresholds() -> None:
    rates = station(anomalous=scored([50, 95, 120, 130], "bad")).miss_rates()
    assert (rates["not_ng"].missed, rates["ok"].missed) == (2, 1)
    assert not station(reviewed_anomalous=scored([50], "bad")).miss_rates()


def test_too_few_images_make_no_station() -> None:
    with pytest.raises(DataError, match="needed are 99"):
        station(range(98))
