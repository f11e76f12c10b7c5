"""The ``drift`` command."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faprompt.cli import looking, options
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
    roi: looking.Roi = None,
    ignore: looking.Ignore = None,
    reference: options.Reference = None,
    tile: looking.Tile = None,
    overlap: looking.Overlap = None,
    smallest_defect: looking.SmallestDefect = None,
    whole: looking.Whole = False,
) -> None:
    """Warn when recent images no longer score like those of the calibration.

    Images are to be looked at as the station's were; folders of predictions were already.

    Example: faprompt drift results --station station.json
    """
    from faprompt.detection.drift import measure_drift
    from faprompt.detection.rows import is_run
    from faprompt.detection.station import Station

    look = looking.LookRequest(
        tile=tile, overlap=overlap, smallest_defect=smallest_defect, whole=whole, roi=roi,
        ignore=ignore, reference=reference,
    ).look()  # fmt: skip
    known = Station.read(station)
    runs = [text for text in paths if is_run(Path(text))]
    recent = [score for run in runs for score in _scores_of(Path(run), known)]
    if others := [text for text in paths if text not in runs]:
        scorer = options.load_model(model, weights=weights, device=device, precision=precision)
        scorer = options.with_references(scorer, reference, look.areas)
        options.use_station(scorer, station, look)
        asked = {"batch_size": batch_size, "workers": workers, "look": look}
        recent += _score(scorer, others, asked)
    found = measure_drift(known, recent, alarm=alarm)
    color = typer.colors.YELLOW if found.warns else None
    typer.secho(f"{known.product}: {found}", fg=color)


def _scores_of(run: Path, station: "Station") -> list[float]:
    from faprompt.detection.rows import read_run, require_relative, require_settings

    rows = read_run(run)
    for row in rows:
        require_relative(row.model_sha256, row.station_sha256, station, where=str(run))
    if any(row.station_sha256 is None for row in rows):  # no station has seen to it
        require_settings(run, station)
    return [row.scored.image_score for row in rows]


def _score(scorer: "Detector | Runtime", paths: list[str], asked: dict[str, Any]) -> list[float]:
    from rich.console import Console
    from rich.progress import track

    from faprompt.data.listing import list_images

    errors = Console(stderr=True)
    listed = list_images(paths, (line for line in sys.stdin))
    stream = scorer.predict(
        (item.path for item in listed),
        **asked,
        on_error=lambda _, error: warn(errors, f"left out: {error}"),
    )
    shown = track(stream, description="scoring", total=len(listed), console=errors, transient=True)
    return [prediction.image_score for prediction in shown]
