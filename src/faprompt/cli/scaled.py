"""``--engine``: runs over many images."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from faprompt.cli.predict_request import recorded
from faprompt.cli.predict_run import DECIDED, PLAIN, tell_of_station
from faprompt.cli.printing import printable
from faprompt.cli.scaled_request import Cluster, ModelOptions, Reading, Request, full_name
from faprompt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from faprompt.cli.predict_request import Asked
    from faprompt.data.samples import Dataset
    from faprompt.detection.evaluation import Evaluation
    from faprompt.detection.look import Look
    from faprompt.scale.engines import Engine
    from faprompt.scale.features import Caching
    from faprompt.scale.model import Model
    from faprompt.scale.predicting import Predicting
    from faprompt.scale.run import Summary

SHARD_SIZE = 512
LABELLED_SHARD_SIZE = 64  # with maps: 1 MB per image at 518 pixels


def predict(
    cluster: Cluster, model: ModelOptions, reading: Reading, asked: "Asked", request: Request
) -> None:
    """Score many images into shards; see :mod:`faprompt.scale.run`."""
    from faprompt.detection.fitting import decider, station_for
    from faprompt.scale.predicting import Predicting
    from faprompt.scale.region_files import write_region_files
    from faprompt.scale.run import open_run
    from faprompt.scale.sources import list_inputs
    from faprompt.scale.store import Store

    settings = {"kind": "predict", **reading.settings()}
    look = asked.look()
    engine, loaded, facts = _start(cluster, model)
    station = station_for(asked.station, facts) if asked.station else None
    decider(station, loaded.score_settings(look))  # refuses what it was not calibrated for
    regions = asked.regions.settings(loaded.colour_limits, station)
    settings |= recorded(facts | loaded.score_settings(look), station, regions)
    settings |= {"inputs": [full_name(text) for text in request.paths]}
    store = Store(request.out)
    names = list_inputs(request.paths, sys.stdin, exclude=store.root)
    size = request.shard_size or SHARD_SIZE
    plan = open_run(store, settings, lambda: ({"path": n} for n in names), shard_size=size)
    recipe = Predicting(
        out=store.root,
        plan=plan,
        model=loaded,
        batch_size=reading.batch_size,
        workers=reading.workers,
        max_pixels=reading.max_pixels,
        map_format=reading.map_format,
        look=look,
        station=station,
        regions=regions,
    )
    summary = carry_out(recipe, engine, retry_errors=request.retry_errors)
    if regions:
        write_region_files(store, plan)
    _report(summary, recipe)
    if summary.errors:
        raise typer.Exit(1)


def _start(cluster: Cluster, model: ModelOptions) -> "tuple[Engine, Model, dict[str, Any]]":
    """Who does the work, the model for it, and the settings that this decides."""
    model.refuse_exported()
    engine, device = cluster.make(model.device)
    return engine, *model.make(device)


def evaluate(
    cluster: Cluster,
    model: ModelOptions,
    reading: Reading,
    request: Request,
    *,
    look: "Look",
    fpr_limit: float,
) -> "tuple[Evaluation, dict[str, Any]]":
    """Score a labelled set into shards; its figures, and what they were made of.

    Args:
        cluster: Who does the work.
        model: Which one.
        reading: How images are read.
        request: The set, and where its shards go.
        look: By windows or at once.
        fpr_limit: See ``PixelMetrics``.

    Raises:
        ConfigError: there is no place for the shards.
    """
    from faprompt.scale.evaluating import Evaluating, figures
    from faprompt.scale.labelled import labelled_rows
    from faprompt.scale.run import open_run
    from faprompt.scale.store import Store

    (data,) = request.paths
    if not request.out:
        raise ConfigError("--engine needs --out, a folder or URL where shards are kept")
    started = time.perf_counter()
    engine, loaded, facts = _start(cluster, model)
    store = Store(request.out)
    where = full_name(data) if Path(data).exists() else data
    settings = facts | {"kind": "evaluate", "data": where, "batch_size": reading.batch_size}
    settings |= look.settings()
    size = request.shard_size or LABELLED_SHARD_SIZE
    plan = open_run(store, settings, lambda: labelled_rows(data), shard_size=size)
    recipe = Evaluating(
        out=store.root,
        plan=plan,
        model=loaded,
        batch_size=reading.batch_size,
        workers=reading.workers,
        tiling=look.tiling,
    )
    carry_out(recipe, engine, retry_errors=request.retry_errors)
    evaluation = figures(store, plan, fpr_limit=fpr_limit, seconds=time.perf_counter() - started)
    about = _about(facts, loaded.device, where) | {"fpr_limit": fpr_limit}
    return evaluation, about | look.settings()


def _about(facts: dict[str, Any], device: str, where: str) -> dict[str, Any]:
    """As plain ``evaluate`` tells of model and data."""
    return {
        "model": {
            "name": facts["model"],
            "sha256": facts["model_sha256"],
            "backbone": facts["backbone"],
            "precision": facts["precision"],
            "device": device,
        },
        "data": {"root": where},
    }


def cache_features(
    cluster: Cluster, datasets: "list[Dataset]", recipe: "Caching", *, device: str
) -> None:
    """Compute what training will read, before it starts."""
    from faprompt.scale.features import cache_features as fill

    engine, _ = cluster.make(device)
    with _progress(sum(len(dataset) for dataset in datasets)) as advance:
        fill(datasets, recipe, engine, progress=advance)


def carry_out(recipe: Any, engine: "Engine", *, retry_errors: bool) -> "Summary":
    """Do what is pending, with a bar of progress, and write what is told of the whole."""
    from faprompt.scale.run import do_pending, finish, forget_errors
    from faprompt.scale.store import Store

    store, plan = Store(recipe.out), recipe.plan
    if retry_errors:
        forget_errors(store, plan)
    with _progress(plan.inputs) as advance:
        do_pending(store, plan, recipe, engine, progress=advance)
    return finish(store, plan)


@contextmanager
def _progress(total: int) -> "Iterator[Callable[[int], None]]":
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress

    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("scoring", total=total)
        yield lambda number: progress.advance(task, number)


def _report(summary: "Summary", recipe: "Predicting") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    from faprompt.detection.score_axis import score_text
    from faprompt.scale.run import some_scores
    from faprompt.scale.store import Store

    station, store = recipe.station, Store(recipe.out)
    table = Table("score", *(DECIDED if station else ()), "image", **PLAIN)
    for path, score in summary.top:
        decision = station.decide(score) if station else None
        decided = (decision.verdict, score_text(decision.margin)) if decision else ()
        table.add_row(score_text(score), *decided, Text(printable(path)))
    console = Console()
    console.print(table)
    left_out = f", [yellow]{summary.errors} left out (errors.jsonl)[/yellow]"
    console.print(f"{summary.inputs - summary.errors} images{left_out if summary.errors else ''}")
    if station and summary.decisions:
        scores = some_scores(store, recipe.plan)
        tell_of_station(Console(stderr=True), station, summary.decisions, scores)
    console.print(f"results: [bold]{escape(printable(store.root))}[/bold]", soft_wrap=True)
