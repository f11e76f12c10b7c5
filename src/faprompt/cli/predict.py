"""The ``predict`` command."""

from pathlib import Path
from typing import Annotated

import typer

from faprompt.cli import looking, options, predict_run, scaled
from faprompt.cli import predict_request as asking
from faprompt.cli import scaled_options as many
from faprompt.cli import scaled_request as request
from faprompt.cli.app import app

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
    regions: asking.Regions = False,
    pixel_threshold: asking.PixelThreshold = None,
    min_area: asking.MinArea = 0,
    mm_per_pixel: asking.MmPerPixel = None,
    roi: looking.Roi = None,
    ignore: looking.Ignore = None,
    reference: options.Reference = None,
    tile: looking.Tile = None,
    overlap: looking.Overlap = None,
    smallest_defect: looking.SmallestDefect = None,
    whole: looking.Whole = False,
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
    many.check(ctx)
    maps = engine is None if maps is None else maps
    _check_places(out, engine, map_format=map_format, maps=maps)
    wanted = asking.RegionRequest(
        wanted=regions,
        pixel_threshold=pixel_threshold,
        min_area=min_area,
        mm_per_pixel=mm_per_pixel,
    )
    how = looking.LookRequest(
        tile=tile, overlap=overlap, smallest_defect=smallest_defect, whole=whole, roi=roi,
        ignore=ignore, reference=reference,
    )  # fmt: skip
    asked = asking.Asked(looking=how, regions=wanted, station=station)
    named = request.ModelOptions(model, weights, device, precision, reference)
    reading = request.Reading(batch_size, workers, max_pixels, map_format if maps else None)
    if engine is None:
        predict_run.predict(named, reading, asked, paths, Path(out))
        return
    cluster = request.Cluster(engine, actors, cpus, gpus, address)
    todo = request.Request(paths, out, shard_size, retry_errors)
    scaled.predict(cluster, named, reading, asked, todo)


def _check_places(out: str, engine: str | None, *, map_format: str, maps: bool) -> None:
    """Refuse what only an engine can do, and what it would do in vain."""
    from faprompt.data.remote import is_url

    if engine is None and is_url(out):
        raise typer.BadParameter("--out: a URL needs --engine")
    if engine is not None and not maps and map_format != "png":
        raise typer.BadParameter("--map-format needs --maps where there is an --engine")
