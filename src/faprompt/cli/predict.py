"""The ``predict`` command."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faprompt.cli import options, scaled
from faprompt.cli import scaled_options as many
from faprompt.cli.app import app

if TYPE_CHECKING:
    from faprompt.data.listing import Listed
    from faprompt.detection.detector import Detector
    from faprompt.detection.outputs import PredictionFolder

Paths = Annotated[
    list[str],
    typer.Argument(
        help="Image files, folders, globs, or - for a list on standard input; "
        "with --engine also URLs and Parquet manifests."
    ),
]
Out = Annotated[str, typer.Option(help="Folder for heat maps and tables; with --engine or a URL.")]
Maps = Annotated[
    bool | None,
    typer.Option("--maps/--no-maps", help="Heat maps, or scores alone (default with --engine)."),
]
MapFormat = Annotated[str, typer.Option(help="png or jpg.")]
MaxPixels = Annotated[int, typer.Option(min=1, help="Largest width x height that is decoded.")]

SHOWN = 20  # rows of the table


@app.command()
def predict(
    paths: Paths,
    out: Out = "predictions",
    model: options.Model = "tiny",
    maps: Maps = None,
    map_format: MapFormat = "png",
    max_pixels: MaxPixels = 178_956_970,
    weights: options.Weights = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    batch_size: options.BatchSize = None,
    workers: options.Workers = options.DEFAULT_WORKERS,
    engine: many.EngineName = None,
    shard_size: many.ShardSize = many.SHARD_SIZE,
    actors: many.Actors = None,
    cpus: many.Cpus = 1,
    gpus: many.Gpus = None,
    address: many.Address = None,
    retry_errors: many.RetryErrors = False,
) -> None:
    """Find and locate anomalies: a score and a heat map per image.

    Example: faprompt predict ./photos --out results
    """
    if engine is not None:
        cluster = scaled.Cluster(engine, actors, cpus, gpus, address)
        model_options = scaled.ModelOptions(model, weights, device, precision)
        reading = scaled.Reading(batch_size, workers, max_pixels, map_format if maps else None)
        request = scaled.Request(paths, out, shard_size, retry_errors)
        scaled.predict(cluster, model_options, reading, request)
        return
    from faprompt.data.listing import list_images

    place = Path(out)
    listed = list_images(paths, _standard_input(), exclude=place)
    from faprompt.detection.detector import Detector
    from faprompt.detection.outputs import PredictionFolder

    detector = Detector.load(model, weights=weights, device=device, precision=precision)
    settings = {
        "model": model,
        "model_sha256": detector.checksum,
        "backbone": detector.header.backbone,
        "precision": str(detector.backbone.clip.logit_scale.dtype).removeprefix("torch."),
    }
    folder = PredictionFolder.open(
        place, settings, map_format=None if maps is False else map_format
    )
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
        detector: "Detector",
        folder: "PredictionFolder",
        listed: "list[Listed]",
        *,
        max_pixels: int,
    ) -> None:
        from rich.console import Console

        self.detector, self.folder = detector, folder
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
            self.folder.add(prediction, self.names[str(prediction.path)])
        self.seconds = time.perf_counter() - started

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
        table = Table("score", "image", "size", box=None, pad_edge=False)
        for row in rows[:SHOWN]:
            size = f"{row['width']}x{row['height']}"
            table.add_row(f"{row['image_score']:.3f}", row["path"], size)
        console = Console()
        console.print(table)
        if len(rows) > SHOWN:
            console.print(f"... and {len(rows) - SHOWN} more in predictions.csv")
        done = len(self.pending) - self.failed
        speed = f", {1000 * self.seconds / done:.0f} ms each" if done else ""
        failed = f", [yellow]{self.failed} left out[/yellow]" if self.failed else ""
        console.print(f"{len(rows)} images{speed}{failed}")
        console.print(f"results: [bold]{options.shown(self.folder.folder)}[/bold]", soft_wrap=True)
