"""One desk: its folder, its rows, its models and the thread that works, put together."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from anyio import CapacityLimiter
from fastapi import Depends, Request

from faprompt.deploy.server.database import Database, Row
from faprompt.deploy.server.folder import DeskFolder
from faprompt.deploy.server.limits import Limits
from faprompt.deploy.server.metrics import Metrics
from faprompt.deploy.server.models import ServedModel, by_id
from faprompt.deploy.server.problems import Problem, not_found
from faprompt.deploy.server.queue import FairQueue, Job
from faprompt.deploy.server.render import Renderer
from faprompt.deploy.server.store import Store, now
from faprompt.deploy.server.uploads import Arrived
from faprompt.deploy.server.worker import Tools, Worker
from faprompt.detection.prediction import Prediction
from faprompt.detection.regions import find_regions

MOST_REGIONS = 100
"""Of one image, strongest first: noise has thousands."""
DRAWN_AT_ONCE = 2
"""Pictures that are drawn at the same time: each may hold a large image in memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticket:
    """Of somebody who waits for one image's answer."""

    lane: str
    future: "Future[dict[str, Any]]"


class Desk:
    """A results folder at work. Make it, ``open`` it, ``close`` it."""

    def __init__(
        self, root: Path, models: Sequence[ServedModel], *, limits: Limits | None = None
    ) -> None:
        self.root = root
        self.limits = limits or Limits()
        self.models = by_id(models)
        self.metrics = Metrics()
        self.queue = FairQueue(self.limits.waiting)
        self.metrics.watch_queue(lambda: float(len(self.queue)))

    def open(self) -> None:
        """Open folder and rows, take up what waits, start the worker.

        Raises:
            ConfigError: another process serves this desk.
            OutputError: the folder cannot be written.
        """
        self.database = Database(self.root / "desk.sqlite")
        self.folder = DeskFolder(self.root)
        self.store = Store(self.database)
        self.renderer = Renderer(self.folder, self.limits.pixels)
        self.drawing = CapacityLimiter(DRAWN_AT_ONCE)
        for row in self.store.recover():
            self.enqueue(row, tile=row["tile"], known=True)
        self.worker = Worker(
            Tools(
                queue=self.queue,
                models=self.models,
                store=self.store,
                folder=self.folder,
                judge=self.judge,
                limits=self.limits,
                metrics=self.metrics,
            )
        )
        self.worker.start()

    def close(self) -> None:
        """Finish what is being looked at; what waits is on the disk and waits there."""
        self.worker.stop()
        self.database.close()

    def enqueue(
        self, item: Row, *, tile: str | None, known: bool = False, ticket: Ticket | None = None
    ) -> bool:
        """Let an item wait for the model; False when the queue is full."""
        if item["model"] not in self.models:  # served no longer: say so, do not wait for ever
            message = "its model is not served any more; start with --model for it"
            self.store.finish(item["id"], {"status": "failed", "error": message})
            return True
        job = Job(
            lane=ticket.lane if ticket else item["batch"],
            future=ticket.future if ticket else None,
            model=item["model"],
            tile=tile,
            path=self.folder.image(item["sha256"]),
            pixels=item["width"] * item["height"],
            item=item["id"],
            station=item["station"],
        )
        return self.queue.put(job, known=known)

    def add_item(
        self, batch: Row, arrived: Arrived, size: tuple[int, int], *, ticket: Ticket | None = None
    ) -> Row | None:
        """Keep an image that arrived, and let it wait; None when the queue is full.

        Raises:
            Problem: the batch was deleted meanwhile.
        """
        if self.queue.full:
            return None
        self.folder.keep(arrived.path, arrived.sha256)
        model = self.model(batch["model"])
        item = self.store.add_item(
            batch["id"],
            {**_about(arrived, size, model), "station": batch["station"]},
        )
        if item is None:
            raise not_found("batch")
        if not self.enqueue(item, tile=batch["tile"], ticket=ticket):
            self.store.delete_item(item["id"])  # others were faster
            self.forget([item])
            return None
        return item

    def add_visitor(
        self,
        arrived: Arrived,
        size: tuple[int, int],
        options: Mapping[str, str | None],
        *,
        ticket: Ticket,
    ) -> Row | None:
        """Let an image wait that is not kept; its row so far, or None when the queue is full."""
        model = self.model(options["model"])
        station = self.station_for(options["station"], model)
        self.check_tile(options["tile"])
        job = Job(
            lane=ticket.lane,
            model=model.id,
            tile=options["tile"],
            path=arrived.path,
            pixels=size[0] * size[1],
            item=None,
            station=station,
            future=ticket.future,
        )
        row = {"id": None, "batch": None, "created": now(), "label": None, "station": station}
        return row | _about(arrived, size, model) if self.queue.put(job) else None

    def forget(self, items: Iterable[Row]) -> None:
        """Remove the pictures of deleted items, as far as no other item has them."""
        items = list(items)
        for item in items:
            self.folder.remove_item(item["id"])
        hashes = {item["sha256"] for item in items}
        for sha256 in hashes - self.store.still_used(hashes):
            self.folder.remove_content(sha256)

    def judge(self, prediction: Prediction, station: str | None) -> dict[str, Any]:
        """What a station makes of a prediction."""
        threshold = prediction.colour_limits[1]
        found = find_regions(prediction.anomaly_map, threshold, responses=prediction.responses)
        regions = [region.to_dict() for region in found[:MOST_REGIONS]]
        return {"regions": regions, "region_threshold": threshold}

    def station_for(self, station: str | None, model: ServedModel) -> str | None:
        """A station's id, after a check that it is there and of this model."""
        if station is not None:
            raise not_found("station")
        return None

    def apply_station(self, batch: str, station: str | None) -> None:
        """Judge the finished items of a batch anew."""

    def check_tile(self, tile: str | None) -> None:
        """Refuse a tile that does not say how to cut.

        Raises:
            Problem: it does not.
        """
        if tile is not None:
            raise Problem(422, "tile: not available in this build", about="tile")

    def pixel_threshold(self, item: Row, asked: float | None) -> float:
        """The value from which a pixel counts: as asked, the station's, or where colour is full."""
        return asked if asked is not None else float(item["colour_high"])

    def model(self, name: str | None) -> ServedModel:
        """A model by id or name; None is the default.

        Raises:
            Problem: there is none.
        """
        if name is None:
            return next(iter(self.models.values()))
        for model in self.models.values():
            if name in (model.id, model.name):
                return model
        known = ", ".join(model.name for model in self.models.values())
        raise Problem(404, f"no such model; served are {known}", about=name[:100])

    def batch(self, batch: str) -> Row:
        """A batch of this desk.

        Raises:
            Problem: there is none.
        """
        row = self.store.batch(batch)
        if row is None:
            raise not_found("batch")
        return row

    def item(self, item: str) -> Row:
        """An item of this desk.

        Raises:
            Problem: there is none.
        """
        row = self.store.item(item)
        if row is None:
            raise not_found("item")
        return row


def get_desk(request: Request) -> Desk:
    """The desk of the application that answers."""
    desk: Desk = request.app.state.desk
    return desk


DeskHere = Annotated[Desk, Depends(get_desk)]


def _about(arrived: Arrived, size: tuple[int, int], model: ServedModel) -> Row:
    """What is known of an image before it was looked at."""
    return {
        "name": arrived.name,
        "sha256": arrived.sha256,
        "width": size[0],
        "height": size[1],
        "model": model.id,
        "model_sha256": model.sha256,
    }
