"""A station judges the scores of its own model alone, used in its own way."""

import logging
from pathlib import Path

import pytest
from stations import MODEL, station

from faprompt.detection.fitting import decider, station_for
from faprompt.errors import StationError

OWN = {"model_sha256": MODEL, "precision": "fp32"}


def test_it_is_read_and_let_through(tmp_path: Path) -> None:
    station().write(tmp_path / "s.json")
    assert station_for(tmp_path / "s.json", OWN) == station_for(station(), OWN) == station()


def test_another_model_is_refused_by_name(tmp_path: Path) -> None:
    station().write(tmp_path / "s.json")
    with pytest.raises(
        StationError, match=r"s\.json: calibrated for the model aaaaaaaaaaaa, not .*bbbbbbbbbbbb"
    ):
        station_for(tmp_path / "s.json", {**OWN, "model_sha256": "b" * 64})


def test_another_floating_point_precision_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        station_for(station(), OWN)
        assert not caplog.messages
        station_for(station(), {**OWN, "precision": "bf16"})
    assert "calibrated in fp32, used in bf16" in caplog.text


@pytest.mark.parametrize(("made", "used"), [("fp32", "int8"), ("int8", "fp32")])
def test_int8_needs_its_own_station(made: str, used: str) -> None:
    with pytest.raises(StationError, match=f"calibrated in {made}, used in {used}"):
        station_for(station(precision=made), {**OWN, "precision": used})


def test_other_settings_are_refused_by_name() -> None:
    tiled = station(settings={"tile": 518})
    judge = decider(tiled, {"tile": 518})
    assert judge is not None
    assert judge(500.0).verdict == "NG"
    for settings, text in ((None, "now None"), ({"tile": 256}, "now 256")):
        with pytest.raises(StationError, match=f"tile was 518, {text}"):
            decider(tiled, settings)


def test_without_a_station_nothing_is_decided() -> None:
    assert decider(None) is None
