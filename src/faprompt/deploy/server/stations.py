"""The stations of a desk: those it was started with, and those made on it from labels."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from faprompt.deploy.server.changes import now
from faprompt.deploy.server.database import Database, Row
from faprompt.deploy.server.names import id_of, new_id
from faprompt.detection.calibration import default_review_rate, images_needed
from faprompt.detection.decision import Scored
from faprompt.detection.station import Station
from faprompt.errors import ConfigError, DataError


class Stations:
    """Stations by id."""

    def __init__(self, database: Database, given: Iterable[Station] = ()) -> None:
        self._database = database
        self._given = {id_of(station.sha256): station for station in given}

    def all(self) -> list[tuple[str, Station]]:
        """Ids and stations: the given ones, then the newest first."""
        query = "SELECT id, body FROM stations ORDER BY created DESC, rowid DESC"
        rows = self._database.rows(query)
        return [*self._given.items(), *((row["id"], _parsed(row["body"])) for row in rows)]

    def get(self, station: str) -> Station | None:
        """A station, or None."""
        if station in self._given:
            return self._given[station]
        row = self._database.row("SELECT body FROM stations WHERE id = ?", (station,))
        return _parsed(row["body"]) if row else None

    def add(self, station: Station) -> str:
        """Keep a station; its id."""
        ident = new_id()
        values = (ident, station.product, station.model_sha256, text_of(station), now())
        with self._database.change() as connection:
            connection.execute(
                "INSERT INTO stations (id, name, model_sha256, body, created) "
                "VALUES (?, ?, ?, ?, ?)",
                values,
            )
        return ident

    def remove(self, station: str) -> None:
        """Remove a station that nothing refers to.

        Raises:
            ConfigError: it was given at the start, or decisions rest on it.
        """
        if station in self._given:
            raise ConfigError("this station is a file that the desk was started with")
        with self._database.change() as connection:
            for table in ("batches", "items"):
                query = f"SELECT 1 FROM {table} WHERE station = ? LIMIT 1"
                if connection.execute(query, (station,)).fetchone():
                    raise ConfigError(
                        "decisions rest on this station; delete their batches, or judge them by "
                        "another one"
                    )
            connection.execute("DELETE FROM stations WHERE id = ?", (station,))


@lru_cache(maxsize=64)
def _parsed(body: str) -> Station:
    return Station.from_text(body, where="station of this desk")


def text_of(station: Station) -> str:
    """A station as the file that ``faprompt predict --station`` reads."""
    return json.dumps(station.to_dict(), indent=1, allow_nan=False) + "\n"


def read_stations(paths: Sequence[Path]) -> list[Station]:
    """Stations from their files.

    Raises:
        StationError: one is damaged.
    """
    return [Station.read(path) for path in paths]


def calibrated(
    items: Iterable[Row], asked: Mapping[str, Any], identity: Mapping[str, Any]
) -> Station:
    """A station from labelled items: those labelled ok make it, those labelled ng test it.

    An image that comes twice counts once, and one that was labelled both ways not at all.

    Args:
        items: Scored by the model of ``identity`` with the settings of ``asked``.
        asked: ``product``, ``false_alarms``, ``review_rate`` (None: the default), ``confidence``
            and ``settings``.
        identity: Of the model, as ``Detector.identity``.

    Raises:
        DataError: too few are labelled ok; the text names the number needed.
        ConfigError: a rate is out of range.
    """
    groups: dict[str, dict[str, Scored]] = {"ok": {}, "ng": {}}
    for item in items:
        if item["label"] in groups and item["status"] == "done":
            groups[item["label"]][item["sha256"]] = Scored(
                sha256=item["sha256"], image_score=item["image_score"], peak=item["pixel_max"]
            )
    both = groups["ok"].keys() & groups["ng"].keys()
    normal, anomalous = (
        tuple(scored for sha256, scored in groups[label].items() if sha256 not in both)
        for label in ("ok", "ng")
    )
    if not normal:
        needed = images_needed(asked["false_alarms"], confidence=asked["confidence"])
        raise DataError(f"no image is labelled ok; needed are {needed}: label good parts first")
    review = asked["review_rate"]
    if review is None:
        review = default_review_rate(asked["false_alarms"])
    return Station(
        **{**asked, "review_rate": review}, normal=normal, anomalous=anomalous, **identity
    )
