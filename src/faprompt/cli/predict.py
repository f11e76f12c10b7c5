"""The ``predict`` command."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faprompt.cli import options
from faprompt.cli.app import app
from faprompt.errors import DataError

if TYPE_CHECKING:
    from faprompt.data.listing import Listed
    from faprompt.detection.detector import Detector
    from faprompt.detection.outputs import PredictionFolder
    from faprompt.detection.prediction import Prediction
    from faprompt.detection.station import Station
    from faprompt.runtime import Runtime

Paths = Annotated[
    list[str],
    typer.Argument(help="Image files, folders, globs, or - for a list on standard input."),
]
Out = Annotated[Path, typer.Option(help="Folder for heat maps and tables.")]
Maps = Annotated[bool, typer.Option("--maps/--no-maps", help="Heat maps, or scores alone.")]
MapFormat = Annotated[str, typer.Option(help="png or jpg.")]
MaxPixels = Annotated[int, typer.Option(min=1, help="Largest width x height that is decoded.")]

SHOWN = 20  # rows of the table
DECIDED = ("decision", "margin")
PLAIN: dict[str, Any] = {"box": None, "pad_edge": False}


@app.command()
def predict(
    paths: Paths,
    out: Out = Path("predictions"),
    model: options.Model = "tiny",
    station: options.Station = None,
    maps: Maps = True,
    map_format: MapFormat = "png",
    max_pixels: MaxPixels = 178_956_970,
    weights: options.Weights = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    batch_size: options.BatchSize = None,
    workers: options.Workers = options.DEFAULT_WORKERS,
) -> None:
    """Find and locate anomalies: a score and a heat map per image.

    Example: faprompt predict ./photos --out results
    """
    from faprompt.data.listing import list_images

    listed = list_images(paths, _standard_input(), exclude=out)
    from faprompt.detection.outputs import PredictionFolder

    detector = options.load_model(model, weights=weights, device=device, precision=precision)
    if station:
        detector.use_station(station)
    about = detector.identity
    settings = {"model": model} | {k: about[k] for k in ("model_sha256", "backbone", "precision")}
    if detector.station:
        settings["station_sha256"] = detector.station.sha256
    folder = PredictionFolder.open(out, settings, map_format=map_format if maps else None)
    run = _Run(detector, folder, listed, max_pixels=max_pixels)
    try:
        run.go(batch_size, workers)
    finally:
        folder.finish()
    run.report()
    if run.failed:
        raise typer.Exit(1)


def _standard_input() -> Iterator[str]:
    yield from sys.stdin


class _Run:
    """Predicts what is pending and tells of it."""

    def __init__(
        self,
        detector: "Detector | Runtime",
        folder: "PredictionFolder",
        listed: "list[Listed]",
        *,
        max_pixels: int,
    ) -> None:
        from rich.console import Console

        self.detector, self.folder = detector, folder
        self.origin = {"model_sha256": detector.identity["model_sha256"]}
        if detector.station:
            self.origin["station_sha256"] = detector.station.sha256
        self.max_pixels = max_pixels
        self.listed = listed
        self.pending = list(folder.pending(listed))
        self.names = {str(item.path): item.name for item in listed}
        self.errors = Console(stderr=True)
        self.failed = 0
        self.seconds = 0.0

    def go(self, batch_size: int | None, workers: int) -> None:
        """Score, write, show progress; an unusable image is reported and left out."""
        from rich.progress import track

        done = len(self.listed) - len(self.pending)
        if done:
            self.errors.print(f"{done} images were done before; {len(self.pending)} to do")
        started = time.perf_counter()
        stream = self.detector.predict(
            (item.path for item in self.pending),
            batch_size=batch_size,
            workers=workers,
            max_pixels=self.max_pixels,
            on_error=self._failed,
        )
        for prediction in track(
            stream,
            description="predicting",
            total=len(self.pending),
            console=self.errors,
            transient=True,
        ):
            self._add(prediction)
        self.seconds = time.perf_counter() - started

    def _add(self, prediction: "Prediction") -> None:
        from faprompt.detection.tracing import trace

        try:
            facts = trace(prediction, **self.origin)
        except DataError as error:  # gone since it was read
            self._failed(prediction.path, error)
        else:
            self.folder.add(prediction, self.names[str(prediction.path)], facts)

    def _failed(self, source: Any, error: Any) -> None:
        self.failed += 1
        self.folder.add_error(str(source), error)
        self.errors.print(
            f"left out: {error}", style="yellow", soft_wrap=True, highlight=False, markup=False
        )

    def report(self) -> None:
        """The most anomalous images, and a summary."""
        from rich.console import Console
        from rich.table import Table

        paths = {str(item.path) for item in self.listed}
        rows = [row for row in self.folder.rows.values() if row["path"] in paths]
        rows.sort(key=lambda row: -row["image_score"])
        station = self.detector.station
        table = Table("score", *(DECIDED if station else ()), "image", "size", **PLAIN)
        for row in rows[:SHOWN]:
            size = f"{row['width']}x{row['height']}"
            decided = (row["decision"], f"{row['margin']:.3f}") if station else ()
            table.add_row(f"{row['image_score']:.3f}", *decided, row["path"], size)
        console = Console()
        console.print(table)
        if len(rows) > SHOWN:
            console.print(f"... and {len(rows) - SHOWN} more in predictions.csv")
        done = len(self.pending) - self.failed
        speed = f", {1000 * self.seconds / done:.0f} ms each" if done else ""
        failed = f", [yellow]{self.failed} left out[/yellow]" if self.failed else ""
        console.print(f"{len(rows)} images{speed}{failed}")
        if station and rows:
            self._report_station(station, rows)
        console.print(f"results: [bold]{options.shown(self.folder.folder)}[/bold]", soft_wrap=True)

    def _report_station(self, station: "Station", rows: list[dict[str, Any]]) -> None:
        """Counts of decisions, and whether the scores still look like the calibration's."""
        from faprompt.detection.decision import VERDICTS
        from faprompt.detection.drift import FEW, measure_drift

        verdicts = [row["decision"] for row in rows]
        counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in VERDICTS)
        typer.echo(f"{station.product}: {counts}")
        if len(rows) >= FEW:
            drift = measure_drift(station, [row["image_score"] for row in rows])
            if drift.warns:
                self.errors.print(f"drift: {drift}", style="yellow", soft_wrap=True, markup=False)
