"""What training runs and comparisons show on the terminal."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from faprompt.cli.printing import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from faprompt.protocol.runner import Watcher as BenchmarkWatcher
    from faprompt.training.run import Watcher


class TrainingDisplay:
    """Progress of a training run on the terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self.failed = 0
        self.console = Console(stderr=True)
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),  # names of data sets
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=self.console,
        )
        self._cache_task: Any = None
        self._train_task: Any = None

    def __enter__(self) -> "TrainingDisplay":
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def forget(self) -> None:
        """Take the bars of a run away; another may follow."""
        for task in (self._cache_task, self._train_task):
            if task is not None:
                self.progress.remove_task(task)
        self._cache_task = self._train_task = None

    def say(self, text: str) -> None:
        """One line above the bars."""
        self.console.print(printable(text), soft_wrap=True, highlight=False, markup=False)

    def add(self, description: str, total: int | None) -> Any:
        """One more bar; returns what :attr:`progress` knows it by."""
        return self.progress.add_task(description, total=total, speed="", note="")

    def watcher(self) -> "Watcher":
        """Callbacks that show a run."""
        from faprompt.training.run import Watcher

        return Watcher(
            unreadable=self._unreadable,
            cache=self._cache,
            cached=self._cached,
            split=lambda s: self.say(
                f"learning from {len(s.train)} images, held out: {len(s.heldout)} ({s.by})"
            ),
            step=self._step,
        )

    def _unreadable(self, path: Path, error: Exception) -> None:
        self.failed += 1
        self.say(f"left out {path.name}: {error}")

    def _cache(self, total: int, missing: int, size: int) -> None:
        self.say(f"features of {total} images; {missing} to compute, {size / 1e6:,.1f} MB on disk")
        if missing:
            self._cache_task = self.add("image features", missing)

    def _cached(self, count: int) -> None:
        self.progress.advance(self._cache_task, count)
        self.progress.update(self._cache_task, speed=self._speed(self._cache_task, 1))

    def _step(self, report: Any) -> None:
        total = report.epochs * report.steps
        done = (report.epoch - 1) * report.steps + report.step
        if self._train_task is None:
            self._train_task = self.add("training", total)
            self.progress.update(self._train_task, completed=done - 1)
        self.progress.update(
            self._train_task,
            completed=done,
            description=f"epoch {report.epoch}/{report.epochs}",
            speed=self._speed(self._train_task, report.images),
            note=f"loss {report.loss:.3f}",
        )

    def _speed(self, task: Any, images: int) -> str:
        speed = next(t.speed for t in self.progress.tasks if t.id == task)
        return f"{speed * images:.1f} images/s" if speed else ""


class BenchmarkDisplay:
    """Progress of a comparison: one bar at a time, a line for what is worth keeping."""

    def __init__(self) -> None:
        self.training = TrainingDisplay()
        self.say = self.training.say
        self._task: Any = None

    def __enter__(self) -> "BenchmarkDisplay":
        self.training.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._forget()
        self.training.__exit__(*error)

    def benchmark_watcher(self) -> "BenchmarkWatcher":
        """Callbacks that show a comparison."""
        from faprompt.protocol.runner import Watcher as BenchmarkWatcher

        return BenchmarkWatcher(say=self.say, training=self._training, scoring=self._scoring)

    def _training(self, title: str) -> "Watcher":
        self._forget()
        self.say(f"learning: {title}")
        return self.training.watcher()

    def _scoring(self, title: str, images: int) -> "Callable[[int], None]":
        self._forget()
        self.say(f"scoring: {title}")
        progress = self.training.progress
        self._task = task = self.training.add(title, images)
        return lambda count: progress.advance(task, count)

    def _forget(self) -> None:
        self.training.forget()
        if self._task is not None:
            self.training.progress.remove_task(self._task)
        self._task = None
