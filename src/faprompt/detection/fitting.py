"""Does this station belong to this model, and to the way it is used? Free of torch."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from faprompt.detection.decision import Decision
from faprompt.detection.station import REMEDY, Station
from faprompt.errors import StationError

logger = logging.getLogger(__name__)

REFERENCES = "references_sha256"
"""Among the settings of a station: it was calibrated with good images to compare with."""
NOT_EXPORTED = (
    "--reference compares patch features, which an exported model does not give; use the "
    "checkpoint it was exported from"
)


def station_for(station: Station | str | Path, identity: Mapping[str, Any]) -> Station:
    """A station, or the file of one, after :func:`require_model`.

    Args:
        station: As it is, or where to read it.
        identity: ``model_sha256`` and ``precision`` of the model; see ``Detector.identity``.

    Raises:
        StationError: not a station, or one of another model.
    """
    found = station if isinstance(station, Station) else Station.read(station)
    where = f"station {found.product}" if isinstance(station, Station) else str(station)
    require_model(found, identity, where=where)
    return found


def require_model(station: Station, identity: Mapping[str, Any], *, where: str) -> None:
    """Refuse to judge scores of another model.

    Another floating-point precision moves scores little and is warned of; int8 is a model of its
    own.

    Args:
        station: Whose thresholds are to be used.
        identity: ``model_sha256`` and ``precision`` of the model that makes the scores.
        where: The station, as it is called in errors.

    Raises:
        StationError: the checksum differs, or one of both is int8.
    """
    sha256, precision = identity["model_sha256"], identity["precision"]
    if station.model_sha256 != sha256:
        raise StationError(
            f"{where}: calibrated for the model {station.model_sha256[:12]}, not for this one "
            f"({sha256[:12]}); scores of different models cannot be compared: use that model, or "
            f"{REMEDY}"
        )
    if precision == station.precision:
        return
    text = f"{where}: calibrated in {station.precision}, used in {precision}"
    if "int8" in {precision, station.precision}:
        raise StationError(f"{text}, whose scores differ too much; {REMEDY} and this very model")
    logger.warning("%s: scores near a threshold may be judged differently", text)


def decider(
    station: Station | None, settings: Mapping[str, Any] | None = None
) -> Callable[[float], Decision] | None:
    """What judges the scores that a model makes with ``settings``; None without a station.

    Args:
        station: Whose thresholds are used.
        settings: As :attr:`faprompt.detection.station.Station.settings`.

    Raises:
        StationError: the station was made with other settings, which change scores.
    """
    if station is None:
        return None
    mine, other = dict(station.settings), dict(settings or {})
    if keys := [k for k in sorted(mine | other) if mine.get(k) != other.get(k)]:
        changes = "; ".join(f"{k} was {mine.get(k)}, now {other.get(k)}" for k in keys)
        raise StationError(
            f"station {station.product}: calibrated with other settings ({changes}), which change "
            f"scores: use the same ones, or {REMEDY}"
        )
    return station.decide
