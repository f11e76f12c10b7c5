"""The one thread that owns the models: takes what waits, looks at it together, keeps what came out.

A bad image costs itself alone: an error of ours is that item's error; a fault of the program in a
group makes its images be looked at one by one, so that only the culprit fails. While the desk
cannot be written (a full disk), what was to be kept is tried again until it can, and nothing else
begins.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from faprompt.deploy.server.folder import DeskFolder
from faprompt.deploy.server.limits import Limits
from faprompt.deploy.server.metrics import Metrics
from faprompt.deploy.server.models import Models, look_of
from faprompt.deploy.server.queue import FairQueue, Job
from faprompt.deploy.server.store import Store
from faprompt.detection.prediction import Prediction
from faprompt.errors import DataError, FAPromptError, OutputError

logger = logging.getLogger(__name__)

READERS = 2
"""Threads that decode the images of a group beside the model."""
PAUSE_SECONDS = 5.0
"""Between two tries to keep what could not be written."""

Values = dict[str, Any]
Judge = Callable[[Prediction, str | None], Values]
"""What a station (by id) makes of a prediction: verdict, margin, regions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tools:
    """What the worker works with."""

    queue: FairQueue
    models: Models
    store: Store
    folder: DeskFolder
    judge: Judge
    limits: Limits
    metrics: Metrics


class StoppingError(Exception):
    """The service ends before it came to a job."""


class Worker:
    """Scores jobs until it is told to stop."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.trouble: str | None = None
        """Why results cannot be kept just now, if so."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="faprompt-model", daemon=True)

    def start(self) -> None:
        """Begin to take jobs."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the group at hand and end; jobs nobody stored get an error."""
        self._tools.queue.close()
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        for job in self._tools.queue.drop_all():
            if job.future is not None and job.future.set_running_or_notify_cancel():
                job.future.set_exception(StoppingError("the service stops; ask again later"))

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        tools, limits = self._tools, self._tools.limits
        size = limits.batch_size or max(model.batch_size for model in tools.models.values())
        while group := tools.queue.take(
            size, pixels=limits.batch_pixels, wait=limits.batch_wait_seconds
        ):
            while (group := self._attempt(group)) and not self._stopping.wait(PAUSE_SECONDS):
                pass

    def _attempt(self, group: Sequence[Job]) -> list[Job]:
        """Score a group; those of its jobs that have to be tried again."""
        left = list(group)
        try:
            self._score(left)
        except OutputError as error:
            if self.trouble is None:
                logger.error("%s; trying again every %g s", error, PAUSE_SECONDS)
            self.trouble = f"{error}; images wait until it can"
            _tell(left, error)
            return [replace(job, future=None) for job in left if job.item is not None]
        except Exception as error:  # the thread outlives whatever one group does to it
            logger.exception("a group of %d images failed", len(group))
            _tell(left, error)
        self.trouble = None
        return []

    def _score(self, left: list[Job]) -> None:
        """Look at jobs; each leaves the list when all is done for it."""
        left[:] = self._started(left)
        if not left:
            return
        try:
            self._look(left.copy(), left)
        except OutputError:
            raise
        except Exception:
            logger.exception("looking at %d images together failed", len(left))
            for job in left.copy():
                self._look_alone(job, left)

    def _started(self, group: Sequence[Job]) -> list[Job]:
        """Jobs of a group that somebody still wants."""
        rows = [job.item for job in group if job.item is not None]
        waiting = self._tools.store.start(rows) if rows else set()
        wanted = []
        for job in group:
            heard = job.future is None or job.future.set_running_or_notify_cancel()
            if job.item in waiting or (job.item is None and heard):
                wanted.append(job)
            elif job.future is not None and heard:
                job.future.set_exception(DataError("cancelled"))
        return wanted

    def _look(self, group: Sequence[Job], left: list[Job]) -> None:
        with self._tools.metrics.group(len(group)):
            for number, result in self._results(group):
                self._keep(group[number], result)
                left.remove(group[number])

    def _look_alone(self, job: Job, left: list[Job]) -> None:
        try:
            self._look([job], left)
        except OutputError:
            raise
        except Exception as error:
            logger.exception("an image failed")
            self._keep(job, DataError(f"a fault of the service ({type(error).__name__})"))
            left.remove(job)

    def _results(self, group: Sequence[Job]) -> Iterator[tuple[int, Prediction | FAPromptError]]:
        """Numbers of jobs with what came of them, in any order."""
        tools = self._tools
        failed: dict[str, FAPromptError] = {}
        model = tools.models[group[0].model]
        stream = model.predictor.predict(
            [job.path for job in group],
            batch_size=len(group),
            workers=READERS if len(group) > 1 else 0,
            look=look_of(group[0].tile),
            max_pixels=tools.limits.pixels,
            on_error=lambda path, error: failed.setdefault(str(path), error),
        )
        numbers = iter(range(len(group)))
        for prediction in stream:  # errors of the group are known before its first prediction
            number = next(n for n in numbers if str(group[n].path) not in failed)
            yield number, prediction
        for number, job in enumerate(group):
            if str(job.path) in failed:
                yield number, failed[str(job.path)]

    def _keep(self, job: Job, result: Prediction | FAPromptError) -> None:
        tools = self._tools
        if isinstance(result, Prediction):
            try:
                values = measured(result) | tools.judge(result, job.station)
                if job.item is not None:
                    self._write(job.item, result, full=bool(job.tile))
            except OutputError:
                raise
            except FAPromptError as error:
                result = error
            else:
                self._answer(job, values)
                return
        message = str(result).replace(str(job.path), "image")
        self._answer(job, {"status": "failed", "error": message})

    def _write(self, item: str, result: Prediction, *, full: bool) -> None:
        self._tools.folder.write_map(item, result.anomaly_map, full=full)
        if result.responses is not None:
            self._tools.folder.write_responses(item, result.responses)

    def _answer(self, job: Job, values: Mapping[str, Any]) -> None:
        tools = self._tools
        if job.item is not None and not tools.store.finish(job.item, values):
            tools.folder.remove_item(job.item)  # deleted while it was looked at
        tools.metrics.finished(str(values["status"]))
        if job.future is not None and not job.future.done():
            job.future.set_result(values)


def _tell(jobs: Sequence[Job], error: Exception) -> None:
    for future in (job.future for job in jobs if job.future is not None):
        with suppress(InvalidStateError):  # who asked has gone
            future.set_exception(error)


def measured(prediction: Prediction) -> Values:
    """What the row of a finished item holds, decisions not counted."""
    return {
        "status": "done",
        "error": None,
        "image_score": prediction.image_score,
        "milliseconds": round(prediction.milliseconds, 3),
        "width": prediction.size[0],
        "height": prediction.size[1],
        "pixel_max": float(prediction.anomaly_map.max()),
        "colour_low": prediction.colour_limits[0],
        "colour_high": prediction.colour_limits[1],
    }
