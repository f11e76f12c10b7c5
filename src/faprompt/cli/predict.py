"""The ``predict`` command."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faprompt.cli import options, predict_regions, scaled, tiling
from faprompt.cli import scaled_options as many
from faprompt.cli import scaled_request as request
from faprompt.cli.app import app

if TYPE_CHECKING:
    from faprompt.detection.detector import Detector
    from faprompt.detection.look import Look
    from faprompt.detection.outputs import PredictionFolder
    from faprompt.detection.region_files import RegionFolder
    from faprompt.runtime import Runtime

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

CARRIED = {
    "paths", "out", "model", "maps", "map_format", "max_pixels", "weights", "device", "precision",
    "batch_size", "workers",
}  # fmt: skip
"""Parameters that an engine knows beside its own; others are refused."""


@app.command()
def predict(
    ctx: typer.Context,
    paths: Paths,
    out: Out = "predictions",
    model: options.Model = "tiny",
    station: options.Station = None,
    maps: Maps = None,
    map_format: MapFormat = "png",
    max_pixels: MaxPixels = 178_956_970,
    weights: options.Weights = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    batch_size: options.BatchSize = None,
    workers: options.Workers = options.DEFAULT_WORKERS,
    regions: predict_regions.Regions = False,
    pixel_threshold: predict_regions.PixelThreshold = None,
    min_area: predict_regions.MinArea = 0,
    mm_per_pixel: predict_regions.MmPerPixel = None,
    roi: predict_regions.Roi = None,
    ignore: predict_regions.Ignore = None,
    reference: options.Reference = None,
    tile: tiling.Tile = None,
    overlap: tiling.Overlap = None,
    smallest_defect: tiling.SmallestDefect = None,
    whole: tiling.Whole = False,
    engine: many.EngineName = None,
    shard_size: many.ShardSize = None,
    actors: many.Actors = None,
    cpus: many.Cpus = None,
    gpus: many.Gpus = None,
    address: many.Address = None,
    retry_errors: many.RetryErrors = False,
) -> None:
    """Find and locate anomalies: a score and a heat map per image.

    Example: faprompt predict ./photos --out results
    """
    many.check(ctx, CARRIED)
    _check_places(out, engine, map_format=map_format, maps=maps)
    if engine is not None:
        scaled.predict(
            request.Cluster(engine, actors, cpus, gpus, address),
            request.ModelOptions(model, weights, device, precision),
            request.Reading(batch_size, workers, max_pixels, map_format if maps else None),
            request.Request(paths, out, shard_size, retry_errors),
        )
        return
    asked = predict_regions.RegionRequest(
        wanted=regions,
        pixel_threshold=pixel_threshold,
        min_area=min_area,
        mm_per_pixel=mm_per_pixel,
    )
    windows = tiling.TilingRequest(
        tile=tile, overlap=overlap, smallest_defect=smallest_defect, whole=whole
    ).tiling(reference=reference)
    from faprompt.data.listing import list_images

    areas = predict_regions.parse_areas(roi, ignore)
    place = Path(out)
    listed = list_images(paths, _standard_input(), exclude=place)
    from faprompt.cli.predict_run import Run
    from faprompt.detection.look import Look

    detector = options.load_model(model, weights=weights, device=device, precision=precision)
    detector = predict_regions.with_references(detector, reference, areas)
    if station:
        detector.use_station(station)
    look = Look(areas=areas, responses=regions, tiling=windows)
    settings = _recorded(model, detector, look)
    form = None if maps is False else map_format
    run = Run(detector, *_open(place, detector, asked, settings, map_format=form), listed)
    run.look = replace(look, watch=run.watch)
    run.carry_out(batch_size, workers, max_pixels)


def _check_places(out: str, engine: str | None, *, map_format: str, maps: bool | None) -> None:
    """Refuse what only an engine can do, and what it would do in vain."""
    from faprompt.data.remote import is_url

    if engine is None and is_url(out):
        raise typer.BadParameter("--out: a URL needs --engine")
    if engine is not None and not maps and map_format != "png":
        raise typer.BadParameter("--map-format needs --maps where there is an --engine")


def _open(
    place: Path,
    detector: "Detector | Runtime",
    asked: predict_regions.RegionRequest,
    settings: dict[str, Any],
    *,
    map_format: str | None,
) -> "tuple[PredictionFolder, RegionFolder | None]":
    """The files of a run, which refuse to go on with other settings than they began with."""
    from faprompt.detection.outputs import PredictionFolder
    from faprompt.detection.region_files import RegionFolder

    pixel_threshold = detector.station.pixel_threshold if detector.station else None
    wanted = asked.settings(detector.colour_limits, station=pixel_threshold)
    settings = settings | predict_regions.recorded(wanted)
    folder = PredictionFolder.open(place, settings, map_format=map_format)
    return folder, RegionFolder(place, wanted, done=folder.rows) if wanted else None


def _recorded(model: str, detector: "Detector | Runtime", look: "Look") -> dict[str, Any]:
    """What decides the results: a folder holds those of one such setting."""
    about = detector.identity
    found = {"model": model} | {k: about[k] for k in ("model_sha256", "backbone", "precision")}
    if detector.station:
        found["station_sha256"] = detector.station.sha256
    return found | detector.score_settings(look)


def _standard_input() -> Iterator[str]:
    yield from sys.stdin
