"""The ``drift`` command."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faprompt.cli import options
from faprompt.cli.app import app
from faprompt.cli.printing import warn

if TYPE_CHECKING:
    from faprompt.detection.detector import Detector
    from faprompt.detection.station import Station
    from faprompt.runtime import Runtime

Paths = Annotated[
    list[str],
    typer.Argument(
        help="Folders of `faprompt predict`, whose scores are taken as they are; or images, "
        "folders, globs, or - for a list on standard input."
    ),
]
File = Annotated[Path, typer.Option(help="A file written by calibrate.")]
Alarm = Annotated[float, typer.Option(help="Warn at a p-value below this.")]


@app.command()
def drift(
    paths: Paths,
    station: File,
    model: options.Model = "tiny",
    alarm: Alarm = 0.01,
    weights: options.Weights = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    batch_size: options.BatchSize = None,
    workers: options.Workers = options.DEFAULT_WORKERS,
) -> None:
    """Warn when recent images no longer score like those of the calibration.

    Example: faprompt drift results --station station.json
    """
    from faprompt.detection.drift import measure_drift
    from faprompt.detection.rows import is_run
    from faprompt.detection.station import Station

    known = Station.read(station)
    runs = [text for text in paths if is_run(Path(text))]
    recent = [score for run in runs for score in _scores_of(Path(run), known)]
    if others := [text for text in paths if text not in runs]:
        scorer = options.load_model(model, weights=weights, device=device, precision=precision)
        scorer.use_station(station)
        recent += _score(scorer, others, batch_size=batch_size, workers=workers)
    found = measure_drift(known, recent, alarm=alarm)
    color = typer.colors.YELLOW if found.warns else None
    typer.secho(f"{known.product}: {found}", fg=color)


def _scores_of(run: Path, station: "Station") -> list[float]:
    from faprompt.detection.rows import read_run, require_relative

    rows = read_run(run)
    for row in rows:
        require_relative(row.model_sha256, row.station_sha256, station, where=str(run))
    return [row.scored.image_score for row in rows]


def _score(
    scorer: "Detector | Runtime", paths: list[str], *, batch_size: int | None, workers: int
) -> list[float]:
    from rich.console import Console
    from rich.progress import track

    from faprompt.data.listing import list_images

    errors = Console(stderr=True)
    listed = list_images(paths, (line for line in sys.stdin))
    stream = scorer.predict(
        (item.path for item in listed),
        batch_size=batch_size,
        workers=workers,
        on_error=lambda _, error: warn(errors, f"left out: {error}"),
    )
    shown = track(stream, description="scoring", total=len(listed), console=errors, transient=True)
    return [prediction.image_score for prediction in shown]
