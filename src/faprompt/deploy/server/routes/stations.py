"""Stations: made from labels, looked at, downloaded, deleted."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from faprompt.deploy.server import bodies, schemas
from faprompt.deploy.server.database import Row
from faprompt.deploy.server.desk import Desk, DeskHere
from faprompt.deploy.server.names import download_name
from faprompt.deploy.server.problems import Problem
from faprompt.deploy.server.stations import calibrated, text_of
from faprompt.deploy.server.statuses import JSON_BODY, errors
from faprompt.detection.station import Station
from faprompt.errors import ConfigError, DataError

router = APIRouter(prefix="/stations", tags=["stations"])

FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {}}},
    **errors(404, 422),
}
StationId = Annotated[str, Path(description="Id of a station.")]


@router.get("")
def list_stations(desk: DeskHere) -> schemas.StationList:
    """List the stations: those given at the start, then the newest first."""
    found = [_reply(desk, ident, station) for ident, station in desk.stations.all()]
    return schemas.StationList(stations=found)


@router.post("", status_code=201, responses=errors(404, 409, *JSON_BODY))
def make_station(new: bodies.NewStation, desk: DeskHere) -> schemas.Station:
    """Make a station from labelled images of one model.

    Images labelled ok set the thresholds, those labelled ng tell how many would be missed. With
    too few images labelled ok the answer is 409, and its text names the number needed.
    """
    items, tile = _items(new, desk)
    model = desk.model(new.model or next((item["model"] for item in items), None))
    if any(item["model"] != model.id for item in items):
        raise Problem(422, "model: some images were scored by another model", about="model")
    asked = new.model_dump(include={"false_alarms", "review_rate", "confidence"})
    asked |= {"product": new.name, "settings": model.settings(tile)}
    try:
        station = calibrated(items, asked, model.identity)
    except DataError as error:
        raise Problem(409, str(error)) from None
    return _reply(desk, desk.stations.add(station), station)


@router.get("/{station}", responses=errors(404, 422))
def get_station(station: StationId, desk: DeskHere) -> schemas.Station:
    """Tell everything of a station but the scores it was made from."""
    return _reply(desk, station, desk.station(station))


@router.get("/{station}/file", response_class=Response, responses=FILE)
def station_file(station: StationId, desk: DeskHere) -> Response:
    """Download a station for ``faprompt predict --station``, scores and all."""
    found = desk.station(station)
    name = download_name(found.product, ".json")
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text_of(found), media_type="application/json", headers=headers)


@router.delete("/{station}", status_code=204, responses=errors(404, 409, 422))
def delete_station(station: StationId, desk: DeskHere) -> Response:
    """Delete a station that no decision rests on."""
    desk.station(station)
    try:
        desk.stations.remove(station)
    except ConfigError as error:
        raise Problem(409, str(error)) from None
    return Response(status_code=204)


def _items(new: bodies.NewStation, desk: Desk) -> tuple[list[Row], str | None]:
    """The labelled images that are meant, and the tile that they were scored with."""
    if (new.batch is None) == (new.items is None):
        raise Problem(422, "needed is either batch or items", about="batch")
    if new.batch is not None:
        batch = desk.batch(new.batch)
        items = [item for item in desk.store.items(new.batch) if item["label"] is not None]
        return items, batch["tile"]
    items = list(_each(new.items or [], desk))
    tiles = {desk.batch(batch)["tile"] for batch in {item["batch"] for item in items}}
    if len(tiles) > 1:
        raise Problem(422, "items: scored with different tiles, which do not compare")
    return items, next(iter(tiles), None)


def _each(idents: list[str], desk: Desk) -> Iterator[Row]:
    for ident in idents:
        yield desk.item(ident)


def _reply(desk: Desk, ident: str, station: Station) -> schemas.Station:
    models = (model.id for model in desk.models.values() if model.fits(station))
    return schemas.Station(
        id=ident,
        name=station.product,
        model=next(models, None),
        model_sha256=station.model_sha256,
        sha256=station.sha256,
        settings=dict(station.settings),
        created=station.created,
        false_alarms=station.false_alarms,
        review_rate=station.review_rate,
        confidence=station.confidence,
        threshold=station.threshold,
        review_threshold=station.review_threshold,
        pixel_threshold=station.pixel_threshold,
        images=len(station.normal),
        anomalous_images=len(station.anomalous),
        miss_rates={
            name: schemas.MissRate.model_validate(rate, from_attributes=True)
            for name, rate in station.miss_rates().items()
        },
    )
