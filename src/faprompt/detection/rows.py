"""Rows of a prediction run, read again: for drift, and for review. Free of torch."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from faprompt.config import short
from faprompt.data.parquet import parquet_rows
from faprompt.detection.decision import Scored
from faprompt.detection.fitting import REFERENCES, decider, require_model
from faprompt.detection.station import REMEDY, Station
from faprompt.errors import DataError, StationError
from faprompt.files import parse_json

RECORD = "predictions.jsonl"
SHARDS = "shards"
"""Of a run with an engine, whose rows lie in Parquet files there."""
RUN = "run.json"
"""Of a run with or without an engine: what decided its results."""
SETTINGS = ("areas", "tiling", REFERENCES)
"""Of its keys, those that stations record among their settings."""
COLUMNS = (
    *("path", "image_score", "peak", "sha256", "model_sha256", "decision", "margin"),
    *("station_sha256", "map", "error"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """One image of a run."""

    path: str
    scored: Scored
    model_sha256: str
    decision: str | None
    """None: predicted without a station."""
    margin: float
    station_sha256: str | None
    map: str | None
    """Heat map, relative to the run's folder."""

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        """From a line of the run.

        Raises:
            KeyError, TypeError, DataError: it lacks something, or has it as another kind of value.
        """
        optional = [row.get(name) for name in ("decision", "station_sha256", "map")]
        texts = [row["path"], row["model_sha256"], *(t for t in optional if t is not None)]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError(f"{short(texts)} are not all texts")
        margin = row.get("margin") or 0.0
        if not isinstance(margin, int | float):
            raise TypeError(f"margin is {short(margin)}")
        return cls(
            path=row["path"],
            scored=Scored(sha256=row["sha256"], image_score=row["image_score"], peak=row["peak"]),
            model_sha256=row["model_sha256"],
            decision=row.get("decision"),
            margin=margin,
            station_sha256=row.get("station_sha256"),
            map=row.get("map"),
        )


def is_run(folder: Path) -> bool:
    """Whether a folder holds the rows of a prediction run."""
    return (folder / RECORD).is_file() or (folder / SHARDS).is_dir()


def read_run(folder: Path) -> list[Judged]:
    """All images of a run, plain or with an engine; those of equal content once.

    Raises:
        DataError: no run there, or one whose rows tell too little.
        ConfigError: it is one with an engine, and pyarrow is not installed.
    """
    found: dict[str, Judged] = {}
    for where, row in _shard_rows(folder) if (folder / SHARDS).is_dir() else _lines(folder):
        try:
            judged = Judged.from_row(row)
        except (KeyError, TypeError, AttributeError, DataError) as error:
            raise DataError(
                f"{where}: lacks what is needed ({error}); predict again with this release"
            ) from None
        found.setdefault(judged.scored.sha256, judged)
    return list(found.values())


def _shard_rows(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each row stands, and the row."""
    for path in sorted((folder / SHARDS).glob("*.parquet")):
        for number, row in enumerate(parquet_rows(path, columns=COLUMNS), 1):
            if row.get("error") is None:
                yield f"{path}, row {number}", row


def _lines(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    path = folder / RECORD
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); needed is a folder written by `faprompt predict`"
        ) from None
    for number, line in enumerate(lines, 1):
        try:
            yield f"{path}, line {number}", parse_json(line)
        except ValueError:
            if number == len(lines):
                continue  # cut off when the run was killed
            raise DataError(f"{path}, line {number}: damaged; predict again") from None


def require_relative(
    model_sha256: str, station_sha256: str | None, station: Station, *, where: str
) -> None:
    """Refuse a row of another model, or one judged by a station that is no relative.

    Args:
        model_sha256: That made the row's score.
        station_sha256: That judged it, if one did.
        station: That is to use it.
        where: Named in errors.

    Raises:
        StationError: the row says nothing to this station.
    """
    if model_sha256 != station.model_sha256:
        raise StationError(
            f"{where}: scores of the model {model_sha256[:12]}, and the station is for "
            f"{station.model_sha256[:12]}: use its model, or {REMEDY}"
        )
    if station_sha256 is not None and station_sha256 not in station.lineage:
        raise StationError(
            f"{where}: judged by another station ({station_sha256[:12]}), whose settings may "
            "differ; predict again with --station, or use that one"
        )


def require_settings(folder: Path, station: Station) -> None:
    """Refuse scores that no station has judged, if they were made in another way than its own.

    Args:
        folder: Of the run; a watch records no settings, so that it fits stations without any.
        station: That is to use its scores.

    Raises:
        StationError: the scores were made with other settings, or in int8 and the station's not.
        DataError: the record of the run is damaged.
    """
    path = folder / RUN
    record: dict[str, Any] = {}
    if path.is_file():
        try:
            record = dict(parse_json(path.read_text(encoding="utf-8")))
            model = {name: str(record[name]) for name in ("model_sha256", "precision")}
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DataError(f"{path}: damaged ({error}); predict again") from None
        require_model(station, model, where=f"station {station.product}")
    decider(station, {name: record[name] for name in SETTINGS if name in record})
