"""Who does the work: this process, or actors of Ray Data. The work is the same.

A task is done again when its worker dies; it must not matter how often it is started.
"""

import json
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from faprompt import errors
from faprompt.errors import ConfigError, FAPromptError, OutputError

Report = dict[str, Any]
"""What is told of a finished task; plain values."""
Work = Callable[[Any], Report]
"""Does one task (a plain value)."""

MAX_BLOCKS = 4096
"""Tasks of Ray at most, some shards each: more only keep the driver busy."""
OBJECT_STORE = 200_000_000
"""Bytes of a cluster that is started here: tasks and reports are all that travels."""


class Recipe(Protocol):
    """How to make the work: sent to workers, so plain values alone."""

    def build(self) -> Work:
        """Load the model; called once per worker."""


class Engine(Protocol):
    """Does tasks."""

    def run(self, recipe: Recipe, tasks: Iterable[Any]) -> Iterator[Report]:
        """Do all tasks; reports come as tasks end, in any order.

        Raises:
            FAPromptError: a task cannot be done at all (a full disk, a missing model).
        """


class LocalEngine:
    """One process, one task after the other."""

    def run(self, recipe: Recipe, tasks: Iterable[Any]) -> Iterator[Report]:
        """See :class:`Engine`."""
        work: Work | None = None
        for task in tasks:
            work = work or recipe.build()
            yield work(task)


@dataclass(frozen=True, kw_only=True, slots=True)
class RayEngine:
    """Actors of Ray Data, each with one model."""

    address: str | None = None
    """Of a running cluster; None: ``$RAY_ADDRESS``, or a cluster on this machine."""
    actors: int | None = None
    """Workers; None: as many as the cluster has room for."""
    cpus: float = 1
    """Cores of each, also its computing threads."""
    gpus: float = 0
    """GPUs of each."""
    retries: int = 10
    """How often a task may lose its worker: what kills every worker shall not do so for ever."""

    def run(self, recipe: Recipe, tasks: Iterable[Any]) -> Iterator[Report]:
        """See :class:`Engine`."""
        items = [{"task": json.dumps(task)} for task in tasks]
        if not items:
            return
        ray = connect(self.address)
        size = self.actors or self._room(ray)
        data = ray.data.from_items(items, override_num_blocks=min(len(items), MAX_BLOCKS))
        done = self._mapped(ray, data, recipe, size)
        try:
            for row in done.iter_rows():
                report = json.loads(row["report"])
                if "failure" in report:
                    raise _error(report)
                yield report
        except ray.exceptions.RayActorError as error:
            raise OutputError(
                f"Ray: workers died {self.retries + 1} times at the same task ({error}); what is "
                "done stays, and the same command goes on; if they die again, score the images "
                "of the first missing shard one by one"
            ) from error

    def _mapped(self, ray: Any, data: Any, recipe: Recipe, size: int) -> Any:
        with warnings.catch_warnings():
            # Ray 2.60 has no other way to say how often a task is tried again, and no limit.
            warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
            return data.map_batches(
                Actor,
                fn_constructor_args=(recipe,),
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=size),
                num_cpus=self.cpus,
                num_gpus=self.gpus,
                max_task_retries=self.retries,
            )

    def _room(self, ray: Any) -> int:
        has = ray.cluster_resources()
        rooms = [has.get("CPU", 1) / self.cpus] if self.cpus else []
        if self.gpus:
            rooms.append(has.get("GPU", 0) / self.gpus)
        room = int(min(rooms, default=1))
        if room < 1:
            raise ConfigError(
                f"a worker needs {self.cpus:g} CPUs and {self.gpus:g} GPUs; the cluster has "
                f"{has.get('CPU', 0):g} and {has.get('GPU', 0):g}"
            )
        return room


class Actor:
    """One worker: the model is loaded at its first task, and kept."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.work: Work | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """Do the tasks of a batch; our errors are reports, so that they cross the cluster."""
        reports = []
        for task in batch["task"]:
            try:
                self.work = self.work or self.recipe.build()
                report = self.work(json.loads(str(task)))
            except FAPromptError as error:
                report = {"failure": str(error), "kind": type(error).__name__}
            reports.append(json.dumps(report))
        return {"report": reports}


def _error(report: Report) -> FAPromptError:
    kind: type[FAPromptError] = getattr(errors, report["kind"], FAPromptError)
    return kind(report["failure"])


def connect(address: str | None) -> Any:
    """Ray, connected: to ``address``, ``$RAY_ADDRESS``, or a cluster started here.

    Raises:
        ConfigError: Ray is not installed, or the cluster does not answer.
    """
    try:
        import ray
        import ray.data
    except ImportError:
        raise ConfigError("engine 'ray' needs Ray: pip install 'faprompt[ray]'") from None
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    if ray.is_initialized():
        return ray
    address = address or os.environ.get("RAY_ADDRESS")
    quiet: dict[str, Any] = {"logging_level": logging.WARNING, "log_to_driver": False}
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            ray.init("local", include_dashboard=False, object_store_memory=OBJECT_STORE, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(f"Ray cluster {address or 'here'}: does not answer ({error})") from error
    return ray
