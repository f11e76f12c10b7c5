"""One desk: its folder, its rows, its models and the thread that works, put together."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from anyio import CapacityLimiter
from fastapi import Depends, Request

from faprompt.deploy.server.changes import now
from faprompt.deploy.server.database import Database, Row
from faprompt.deploy.server.folder import DeskFolder
from faprompt.deploy.server.judging import Judge
from faprompt.deploy.server.limits import Limits
from faprompt.deploy.server.metrics import Metrics
from faprompt.deploy.server.models import ServedModel, by_id
from faprompt.deploy.server.problems import Problem, existing, too_busy
from faprompt.deploy.server.queue import FairQueue, Job
from faprompt.deploy.server.render import Renderer
from faprompt.deploy.server.stations import Stations
from faprompt.deploy.server.store import Store
from faprompt.deploy.server.uploads import Arrived
from faprompt.deploy.server.worker import Tools, Worker
from faprompt.detection.fitting import decider, require_model
from faprompt.detection.station import Station

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
        self,
        root: Path,
        models: Sequence[ServedModel],
        *,
        stations: Sequence[Station] = (),
        limits: Limits | None = None,
    ) -> None:
        self.root = root
        self._given = [*stations, *(model.station for model in models if model.station)]
        self.limits = limits or Limits()
        self._contents = threading.Lock()
        """Held where a picture is kept or removed: it must not go while a row for it comes."""
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
        self.stations = Stations(self.database, self._given)
        self.judge = Judge(self.store, self.stations, self.renderer)
        self.judge.resume()
        for row in self.store.recover():
            self.enqueue(row, tile=row["tile"], known=True)
        self.worker = Worker(
            Tools(
                queue=self.queue,
                models=self.models,
                store=self.store,
                folder=self.folder,
                judge=self.judge.first,
                limits=self.limits,
                metrics=self.metrics,
            )
        )
        self.worker.start()

    def close(self) -> None:
        """Finish what is being looked at; what waits is on the disk and waits there."""
        self.worker.stop()
        self.judge.close()
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
        about = _about(arrived, size, self.model(batch["model"]))
        item = None
        try:
            with self._contents:
                self.folder.keep(arrived.path, arrived.sha256)
                item = self.store.add_item(batch["id"], {**about, "station": batch["station"]})
            item = existing(item, "batch")
        finally:
            if item is None:
                self._drop_unused({arrived.sha256})
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
        station = self.station_for(options["station"], model, options["tile"])
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
        self._drop_unused({item["sha256"] for item in items})

    def _drop_unused(self, hashes: set[str]) -> None:
        with self._contents:
            for sha256 in hashes - self.store.still_used(hashes):
                self.folder.remove_content(sha256)

    def station_for(self, station: str | None, model: ServedModel, tile: str | None) -> str | None:
        """A station's id, after a check that it judges what this model says of such windows.

        Raises:
            Problem: there is no such station.
            StationError: it was calibrated for another model or other settings.
            ConfigError: the tile does not say how to cut, or the model compares with references.
        """
        settings = model.settings(tile)
        if station is None:
            return None
        found = self.station(station)
        require_model(found, model.identity, where=f"station {found.product}")
        decider(found, settings)
        return station

    def station(self, station: str) -> Station:
        """A station of this desk.

        Raises:
            Problem: there is none.
        """
        return existing(self.stations.get(station), "station")

    def copy_images(self, source: str, batch: str) -> None:
        """Let the images of one batch wait in another.

        Raises:
            Problem: the queue is full.
        """
        if self.queue.full:
            raise too_busy()
        row = self.batch(batch)
        model = self.model(row["model"])
        values = {"model": model.id, "model_sha256": model.identity["model_sha256"]}
        for item in self.store.copy_items(source, batch, values | {"station": row["station"]}):
            self.enqueue(item, tile=row["tile"], known=True)

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
        """A batch of this desk, and why it stands still, if it does.

        Raises:
            Problem: there is none.
        """
        row = existing(self.store.batch(batch), "batch")
        return row | {"trouble": self.worker.trouble}

    def item(self, item: str) -> Row:
        """An item of this desk.

        Raises:
            Problem: there is none.
        """
        return existing(self.store.item(item), "item")


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
        "model_sha256": model.identity["model_sha256"],
    }
