"""What ``predict`` does once it is told: scores what is pending and tells of it."""

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from faprompt.cli import options
from faprompt.cli.predict_request import recorded
from faprompt.cli.printing import printable, warn
from faprompt.errors import DataError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from faprompt.cli.predict_request import Asked
    from faprompt.cli.scaled_request import ModelOptions, Reading
    from faprompt.data.listing import Listed
    from faprompt.detection.detector import Detector
    from faprompt.detection.look import Look
    from faprompt.detection.outputs import PredictionFolder
    from faprompt.detection.prediction import Prediction
    from faprompt.detection.region_files import RegionFolder
    from faprompt.detection.station import Station
    from faprompt.runtime import Runtime

SHOWN = 20  # rows of the table
DECIDED = ("decision", "margin")
PLAIN: dict[str, Any] = {"box": None, "pad_edge": False}
IDENTITY = ("model_sha256", "backbone", "precision")


def predict(
    named: "ModelOptions", reading: "Reading", asked: "Asked", paths: list[str], out: Path
) -> None:
    """Score images into a folder, in this process; see :mod:`faprompt.detection.outputs`."""
    from faprompt.data.listing import list_images

    look = asked.look()
    listed = list_images(paths, (line for line in sys.stdin), exclude=out)
    detector = options.load_model(
        named.name, weights=named.weights, device=named.device, precision=named.precision
    )
    detector = options.with_references(detector, named.reference, look.areas)
    options.use_station(detector, asked.station, look)
    facts = {"model": named.name} | {key: detector.identity[key] for key in IDENTITY}
    folders = _open(out, asked, detector, facts | detector.score_settings(look), reading.map_format)
    run = Run(detector, *folders, listed)
    run.look = replace(look, watch=run.watch)
    run.carry_out(reading.batch_size, reading.workers, reading.max_pixels)


def _open(
    out: Path,
    asked: "Asked",
    detector: "Detector | Runtime",
    facts: Mapping[str, Any],
    map_format: str | None,
) -> "tuple[PredictionFolder, RegionFolder | None]":
    """The files of a run, which refuse to go on with other settings than they began with."""
    from faprompt.detection.outputs import PredictionFolder
    from faprompt.detection.region_files import RegionFolder

    wanted = asked.regions.settings(detector.colour_limits, detector.station)
    settings = recorded(facts, detector.station, wanted)
    folder = PredictionFolder.open(out, settings, map_format=map_format)
    return folder, RegionFolder(out, wanted, done=folder.rows) if wanted else None


class Run:
    """Predicts what is pending and tells of it."""

    def __init__(
        self,
        detector: "Detector | Runtime",
        folder: "PredictionFolder",
        regions: "RegionFolder | None",
        listed: "list[Listed]",
    ) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self.detector, self.folder, self.regions = detector, folder, regions
        self.origin = {"model_sha256": detector.identity["model_sha256"]}
        if detector.station:
            self.origin["station_sha256"] = detector.station.sha256
        self.listed = listed
        self.pending = list(folder.pending(listed))
        self.names = {str(item.path): item.name for item in listed}
        self.errors = Console(stderr=True)
        self.progress = Progress(console=self.errors, transient=True)
        self._windows: TaskID | None = None
        self.look: Look | None = None
        self.failed = 0
        self.seconds = 0.0

    def carry_out(self, batch_size: int | None, workers: int, max_pixels: int) -> None:
        """Score, finish the files even where something stops it, and report."""
        try:
            self._go(batch_size, workers, max_pixels)
        finally:
            self.folder.finish()
            if self.regions:
                self.regions.finish()
        self._report()
        if self.failed:
            raise typer.Exit(1)

    def _go(self, batch_size: int | None, workers: int, max_pixels: int) -> None:
        """Score, write, show progress; an unusable image is reported and left out."""
        done = len(self.listed) - len(self.pending)
        if done:
            self.errors.print(f"{done} images were done before; {len(self.pending)} to do")
        started = time.perf_counter()
        stream = self.detector.predict(
            (item.path for item in self.pending),
            batch_size=batch_size,
            workers=workers,
            max_pixels=max_pixels,
            on_error=self._failed,
            look=self.look,
        )
        with self.progress:
            for prediction in self.progress.track(
                stream, description="predicting", total=len(self.pending)
            ):
                try:
                    self._write(prediction)
                except DataError as error:  # gone since it was read
                    self._failed(prediction.path, error)
        self.seconds = time.perf_counter() - started

    def watch(self, done: int, total: int) -> None:
        """Show how far the windows of one image are."""
        if self._windows is None:
            self._windows = self.progress.add_task("windows", total=total)
        self.progress.update(self._windows, completed=done, total=total)

    def _write(self, prediction: "Prediction") -> None:
        name, overlay = self.names[str(prediction.path)], None
        if self.regions:
            from faprompt.detection.region_files import outlined_overlay

            found = self.regions.add(prediction, name)  # before the row, which says: done
            overlay = outlined_overlay(prediction, found) if self.folder.map_format else None
        from faprompt.detection.tracing import trace

        facts = trace(prediction, **self.origin)
        self.folder.add(prediction, name, facts=facts, overlay=overlay)

    def _failed(self, source: Any, error: Any) -> None:
        self.failed += 1
        self.folder.add_error(str(source), error)
        warn(self.errors, f"left out: {error}")

    def _report(self) -> None:
        """The most anomalous images, and a summary."""
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        from faprompt.detection.score_axis import score_text

        paths = {str(item.path) for item in self.listed}
        rows = [row for row in self.folder.rows.values() if row["path"] in paths]
        rows.sort(key=lambda row: -row["image_score"])
        station = self.detector.station
        table = Table("score", *(DECIDED if station else ()), "image", "size", **PLAIN)
        for row in rows[:SHOWN]:
            size = f"{row['width']}x{row['height']}"
            decided = (row["decision"], score_text(row["margin"])) if station else ()
            name = Text(printable(row["path"]))
            table.add_row(score_text(row["image_score"]), *decided, name, size)
        console = Console()
        console.print(table)
        if len(rows) > SHOWN:
            console.print(f"... and {len(rows) - SHOWN} more in predictions.csv")
        done = len(self.pending) - self.failed
        speed = f", {1000 * self.seconds / done:.0f} ms each" if done else ""
        failed = f", [yellow]{self.failed} left out[/yellow]" if self.failed else ""
        console.print(f"{len(rows)} images{speed}{failed}")
        if station and rows:
            verdicts = Counter(row["decision"] for row in rows)
            tell_of_station(self.errors, station, verdicts, [row["image_score"] for row in rows])
        console.print(f"results: [bold]{options.marked(self.folder.folder)}[/bold]", soft_wrap=True)


def tell_of_station(
    errors: "Console", station: "Station", verdicts: Mapping[str, int], scores: Sequence[float]
) -> None:
    """Counts of decisions, and whether the scores still look like the calibration's."""
    from faprompt.detection.decision import VERDICTS
    from faprompt.detection.drift import drift_warning

    counts = ", ".join(f"{verdicts.get(verdict, 0)} {verdict}" for verdict in VERDICTS)
    typer.echo(f"{station.product}: {counts}")
    if drift := drift_warning(station, scores):
        warn(errors, f"drift: {drift}")
