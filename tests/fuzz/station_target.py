"""Stations: a file that must follow from the scores in it, so that changes need their results."""

import json
from dataclasses import fields
from pathlib import Path
from random import Random
from typing import Any

import mutations

from faprompt.detection.station import GROUPS, Scored, Station, Step
from faprompt.errors import FAPromptError

REPAIRED = 0.7
"""Share of changed stations whose thresholds are made anew, so that they may be accepted."""


def station(data: bytes, folder: Path) -> None:
    """A ``station.json``; one that is accepted judges, and is written as it was read."""
    path = folder / "station.json"
    path.write_bytes(data)
    found = Station.read(path)
    for score in (*found.normal_scores[:2], -1.0, 1.0, found.threshold):
        assert found.decide(score).margin >= 0
    assert found.sha256 in found.lineage
    found.write(folder / "again.json")
    assert Station.read(folder / "again.json") == found


def fresh_station(**more: Any) -> Station:
    """A station of 12 normal images."""
    return Station(
        product="nut", model_sha256="a" * 64, backbone="tiny", precision="fp32", input_size=256,
        created="2026-01-02T03:04:05+00:00", false_alarms=0.1, review_rate=0.2,
        normal=_scores(12), **more,
    )  # fmt: skip


def station_seeds() -> list[bytes]:
    """Stations: fresh, and recalibrated with all that one can hold."""
    more: dict[str, Any] = {
        "anomalous": _scores(3, 0.6), "reviewed_normal": _scores(2, 0.2),
        "reviewed_anomalous": _scores(1, 0.3), "confidence": 0.5, "settings": {"tiling": None},
        "history": (Step(station_sha256="b" * 64, labels_sha256="c" * 64),),
    }  # fmt: skip
    return [_text(fresh_station()), _text(fresh_station(**more)), b'{"format": "other"}']


def _scores(count: int, first: float = 0.0) -> tuple[Scored, ...]:
    return tuple(
        Scored(sha256=f"{i:064x}", image_score=first + i / 50, peak=i / 40) for i in range(count)
    )


def mutate_station(data: bytes, rng: Random) -> bytes | None:
    """Change a station; mostly with the thresholds that follow from what it then says."""
    new = mutations.of_json(data, rng)
    if new is None or rng.random() > REPAIRED:
        return new
    try:
        return _text(_made_from(json.loads(new)))
    except (FAPromptError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return new


def _made_from(values: dict[str, Any]) -> Station:
    given = {f.name: values[f.name] for f in fields(Station) if f.init and f.name in values}
    given |= {name: tuple(Scored(**image) for image in values[name]) for name in GROUPS}
    given["history"] = tuple(Step(**step) for step in values["history"])
    return Station(**given)


def _text(made: Station) -> bytes:
    return json.dumps(made.to_dict(), indent=1, allow_nan=False).encode()
