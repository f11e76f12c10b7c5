"""From a plan to finished cells: learn what is missing, score what is missing, nothing twice."""

import json
import resource
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from faprompt.clip.weights import Backbone
from faprompt.data.samples import Sample
from faprompt.detection.detector import DEFAULT_BATCH
from faprompt.errors import FAPromptError, MetricError, OutputError
from faprompt.files import refuse_foreign, write_text
from faprompt.protocol.cells import CellStore, recipe_hash
from faprompt.protocol.material import Absent, Material, Present
from faprompt.protocol.methods import get_method
from faprompt.protocol.plan import DataSpec, Plan, Transfer
from faprompt.protocol.rivals.base import Method
from faprompt.protocol.scorer import Scorer
from faprompt.protocol.scoring import Reading, score_class
from faprompt.protocol.training import Checkpoint, School, backbone_facts
from faprompt.training.feature_cache import ImageTower
from faprompt.training.run import Watcher as TrainingWatcher


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What does not decide a figure."""

    workers: int = 2
    batch_size: int | None = None
    cache: Path | None = None
    """Folder of frozen features of the auxiliary sets; None computes them in every epoch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Watcher:
    """How a caller follows a benchmark."""

    say: Callable[[str], None] = lambda _: None
    training: Callable[[str], TrainingWatcher | None] = lambda _: None
    """A method starts to learn."""
    scoring: Callable[[str, int], Callable[[int], None]] = lambda *_: lambda _: None
    """So many images of a target are scored now; returns what is told of progress."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One place in the tables."""

    transfer: str
    target: str
    method: str
    seed: int | None
    """None: the method does not learn."""
    cell: str | None = None
    """Name of the finished cell; None: there is none."""
    reason: str | None = None
    """Why there is none."""
    checkpoint: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a benchmark left behind."""

    plan: Plan
    input_size: int
    entries: tuple[Entry, ...]
    material: Material
    store: CellStore
    backbone: Backbone

    @property
    def failures(self) -> list[Entry]:
        """Entries that have no figures although their data are here."""
        absent = {found.name for found in self.material.absent()}
        return [e for e in self.entries if e.reason and e.target not in absent]


@dataclass(frozen=True, slots=True)
class _Task:
    """An entry on its way."""

    entry: Entry
    data: DataSpec
    recipe: Mapping[str, Any]


def run_benchmark(
    plan: Plan,
    out: Path,
    backbone: Backbone,
    *,
    options: Options | None = None,
    watcher: Watcher | None = None,
) -> Outcome:
    """Do all that a plan asks for and that is not done yet.

    It may be killed at any time; the next call goes on with the epoch or class that it was at.

    Args:
        plan: What is asked for.
        out: Folder of cells and checkpoints; one that other plans wrote to may be used again.
        backbone: Of the plan, frozen, on the device to use.
        options: See there.
        watcher: Follows the run.

    Raises:
        OutputError: the folder holds other things or cannot be written.
        ConfigError: a layout is not known, or the input size does not fit.
    """
    refuse_foreign(out, "plan.json", kind="a benchmark")
    write_text(out / "plan.json", json.dumps(asdict(plan), indent=1) + "\n")
    run = _Benchmark(
        plan, out, backbone, options=options or Options(), watcher=watcher or Watcher()
    )
    return run.run()


class _Benchmark:
    def __init__(
        self, plan: Plan, out: Path, backbone: Backbone, *, options: Options, watcher: Watcher
    ) -> None:
        self.plan, self.backbone = plan, backbone
        self.options, self.watcher = options, watcher
        self.size = plan.input_size or backbone.spec.default_size
        self.store = CellStore(out / "cells")
        self.school = School(
            folder=out / "training",
            backbone=backbone,
            cache=options.cache,
            workers=options.workers,
        )
        watcher.say("reading the data sets")
        self.material = Material(plan, out / "hashes.json")
        for absent in self.material.absent():
            watcher.say(f"missing: {absent.name}: {absent.reason}")

    def run(self) -> Outcome:
        tasks = [task for transfer in self.plan.transfers for task in self._tasks(transfer)]
        entries = {id(task): task.entry for task in tasks}
        for data in dict.fromkeys(task.data for task in tasks):
            mine = [task for task in tasks if task.data == data and not task.entry.reason]
            failed = self._score(data, mine)
            for task in mine:
                reason = failed.get(str(task.entry.cell))
                if reason:
                    entries[id(task)] = replace(task.entry, cell=None, reason=reason)
        done = [entry for entry in entries.values() if entry.cell]
        self.store.log_once(list(dict.fromkeys(str(entry.cell) for entry in done)))
        return Outcome(
            plan=self.plan,
            input_size=self.size,
            entries=tuple(entries.values()),
            material=self.material,
            store=self.store,
            backbone=self.backbone,
        )

    def _tasks(self, transfer: Transfer) -> Iterator[_Task]:
        """Learn what a transfer needs, and tell what has to be scored."""
        for method in map(get_method, self.plan.methods):
            for seed in self.plan.seeds if method.trained else (None,):
                checkpoint, reason = self._learn(method, transfer, seed)
                for data in transfer.targets:
                    yield self._task(transfer, data, Entry(
                        transfer=transfer.name, target=data.name, method=method.name, seed=seed,
                        checkpoint=checkpoint.path if checkpoint else None, reason=reason,
                    ), checkpoint)  # fmt: skip

    def _learn(
        self, method: Method, transfer: Transfer, seed: int | None
    ) -> tuple[Checkpoint | None, str | None]:
        if seed is None:
            return None, None
        if absent := self.material.absent(transfer.auxiliary):
            return None, f"auxiliary set missing: {absent[0].name}: {absent[0].reason}"
        if not self.material.present(transfer.targets):
            return None, "no target is on this machine"
        changes = {
            **self.plan.training,
            "seed": seed,
            "input_size": self.size,
            "blur_sigma": self.plan.blur_sigma,
        }
        title = f"{method.title}, seed {seed}, on {transfer.name}"
        auxiliary = self.material.present(transfer.auxiliary)
        try:
            return self.school.learned(
                method, auxiliary, changes, lambda: self.watcher.training(title)
            ), None
        except OutputError:
            raise
        except FAPromptError as error:
            self.watcher.say(f"failed: {title}: {error}")
            return None, f"learning failed: {error}"

    def _task(
        self, transfer: Transfer, data: DataSpec, entry: Entry, checkpoint: Checkpoint | None
    ) -> _Task:
        found = self.material.of(data)
        if isinstance(found, Absent):
            return _Task(replace(entry, reason=f"target missing: {found.reason}"), data, {})
        if entry.reason:
            return _Task(entry, data, {})
        method = get_method(entry.method)
        recipe = {
            "method": method.name,
            "settings": dict(method.settings),
            "seed": entry.seed,
            "checkpoint": checkpoint.sha256 if checkpoint else None,
            "auxiliary": [p.sha256 for p in self.material.present(transfer.auxiliary)]
            if checkpoint
            else [],
            "target": found.sha256,
            "input_size": self.size,
            "blur_sigma": self.plan.blur_sigma,
            **backbone_facts(self.backbone),
        }
        return _Task(replace(entry, cell=recipe_hash(recipe)), data, recipe)

    def _score(self, data: DataSpec, tasks: list[_Task]) -> dict[str, str]:
        """Score a target with all methods that are missing; returns reasons of failures."""
        found = self.material.of(data)
        missing = {str(t.entry.cell): t for t in tasks if not self.store.done(str(t.entry.cell))}
        if not missing or isinstance(found, Absent):
            return {}
        classes = _labelled(found)
        if not any(classes):
            return dict.fromkeys(missing, "no labelled images")
        scorers, failed = self._scorers(missing)
        images = sum(map(len, classes))
        reading = Reading(
            tower=ImageTower(self.backbone, self.size),
            root=found.dataset.root,
            batch_size=self.options.batch_size or self._default_batch(),
            workers=self.options.workers,
            progress=self.watcher.scoring(f"{data.name}, {len(scorers)} x", images),
        )
        for number, samples in enumerate(classes):
            wanted = {n: s for n, s in scorers.items() if not self.store.has_part(n, number)}
            if not wanted:
                reading.progress(len(samples))
                continue
            for name, part in score_class(samples, wanted, reading).items():
                if isinstance(part, MetricError):  # the other methods' figures are not at fault
                    failed[name] = f"{samples[0].class_name}: {part}"
                    del scorers[name]
                else:
                    self.store.write_part(name, number, part)
        for name in scorers:
            self.store.finish(name, missing[name].recipe, {"peak_memory_bytes": peak_memory()})
        return failed

    def _default_batch(self) -> int:
        return DEFAULT_BATCH[self.backbone.clip.logit_scale.device.type]

    def _scorers(self, tasks: Mapping[str, _Task]) -> tuple[dict[str, Scorer], dict[str, str]]:
        scorers: dict[str, Scorer] = {}
        failed: dict[str, str] = {}
        for name, task in tasks.items():
            try:
                scorers[name] = get_method(task.entry.method).scorer(
                    self.backbone,
                    task.entry.checkpoint,
                    input_size=self.size,
                    blur_sigma=self.plan.blur_sigma,
                )
            except FAPromptError as error:
                failed[name] = str(error)
                self.watcher.say(f"failed: {task.entry.method}: {error}")
        return scorers, failed


def _labelled(found: Present) -> list[list[Sample]]:
    """Labelled samples of each class that has any, in the order of the classes."""
    dataset = found.dataset
    classes = ([s for s in dataset.of_class(c) if s.label is not None] for c in dataset.classes)
    return [samples for samples in classes if samples]


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
