"""The ``evaluate`` command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faprompt.cli import looking, options, scaled
from faprompt.cli import scaled_options as many
from faprompt.cli import scaled_request as request
from faprompt.cli.app import app
from faprompt.cli.printing import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from faprompt.data.samples import Dataset
    from faprompt.detection.detector import Detector
    from faprompt.detection.evaluation import Evaluation, Settings
    from faprompt.detection.figures import ClassResult
    from faprompt.detection.labelled import Evaluated
    from faprompt.runtime import Runtime

Data = Annotated[str, typer.Option(help="Labelled data set: PATH or LAYOUT:PATH.")]
Json = Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")]
Out = Annotated[
    str | None,
    typer.Option(help="With --engine: folder or URL of its shards; the same command continues it."),
]
ByType = Annotated[
    bool, typer.Option("--by-type", help="Also each kind of defect, as if there were no other.")
]
FprLimit = Annotated[float, typer.Option(help="False positive rate up to which AUPRO counts.")]

CARRIED = {
    "data", "model", "json_file", "fpr_limit", "weights", "device", "precision", "batch_size",
    "workers", "tile", "overlap", "smallest_defect", "whole",
}  # fmt: skip
"""Parameters that an engine knows beside its own; others are refused."""

HEADINGS = {
    "image_auroc": "image\nAUROC",
    "image_ap": "\nAP",
    "image_f1max": "\nF1-max",
    "pixel_auroc": "pixel\nAUROC",
    "pixel_ap": "\nAP",
    "pixel_f1max": "\nF1-max",
    "pixel_aupro": "\nAUPRO",
}


@app.command()
def evaluate(
    ctx: typer.Context,
    data: Data,
    model: options.Model = "tiny",
    json_file: Json = None,
    fpr_limit: FprLimit = 0.3,
    by_type: ByType = False,
    weights: options.Weights = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    batch_size: options.BatchSize = None,
    workers: options.Workers = options.DEFAULT_WORKERS,
    reference: options.Reference = None,
    tile: looking.Tile = None,
    overlap: looking.Overlap = None,
    smallest_defect: looking.SmallestDefect = None,
    whole: looking.Whole = False,
    engine: many.EngineName = None,
    out: Out = None,
    shard_size: many.ShardSize = None,
    actors: many.Actors = None,
    cpus: many.Cpus = None,
    gpus: many.Gpus = None,
    address: many.Address = None,
    retry_errors: many.RetryErrors = False,
) -> None:
    """Measure a model on a labelled data set: per class, and the mean.

    Example: faprompt evaluate --data ./parts --model runs/x/best.safetensors
    """
    many.check(ctx, CARRIED, more={"out"})
    named = request.ModelOptions(model, weights, device, precision, reference)
    look = looking.LookRequest(
        tile=tile, overlap=overlap, smallest_defect=smallest_defect, whole=whole,
        reference=reference,
    ).look()  # fmt: skip
    if engine is not None:
        figures = scaled.evaluate(
            request.Cluster(engine, actors, cpus, gpus, address),
            named,
            request.Reading(batch_size, workers),
            request.Request([data], out or "", shard_size, retry_errors),
            look=look,
            fpr_limit=fpr_limit,
        )
        _finish(*figures, json_file, f"{data}, model {model}")
        return
    from faprompt.data.datasets import load_dataset

    dataset = load_dataset(data)  # before torch, which takes longer
    from faprompt.detection.evaluation import Settings

    settings = Settings(fpr_limit, batch_size, workers, look.tiling, by_type)
    used, evaluation = _evaluate(dataset, named, settings)
    about: dict[str, Any] = {}
    if json_file:
        about = {"model": {"name": model} | _about_model(used)}
        about |= {"data": _about_data(dataset, evaluation), "fpr_limit": fpr_limit}
        about |= ({"reference": reference} if reference else {}) | look.settings()
    _finish(evaluation, about, json_file, f"{dataset.name} ({dataset.layout}), model {model}")


def _evaluate(
    dataset: "Dataset", named: request.ModelOptions, settings: "Settings"
) -> "tuple[Detector | Runtime, Evaluation]":
    """Model and figures, made in this process."""
    from rich.console import Console
    from rich.progress import Progress

    from faprompt.detection.evaluation import evaluate as run

    used = options.load_model(
        named.name, weights=named.weights, device=named.device, precision=named.precision
    )
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("scoring", total=len(dataset) - dataset.counts().unlabelled)
        evaluation = run(
            _evaluated(used, dataset, named.reference),
            dataset,
            settings,
            progress=lambda n: progress.advance(task, n),
        )
    return used, evaluation


def _evaluated(
    used: "Detector | Runtime", dataset: "Dataset", reference: str | None
) -> "Evaluated | Mapping[str, Evaluated]":
    """The model as it is evaluated, with the good images of each class where there are some."""
    from faprompt.detection.detector import Detector
    from faprompt.detection.references import by_class

    if isinstance(used, Detector):
        return by_class(used, dataset, reference) if reference else used
    from faprompt.deploy.scorer import RuntimeScorer

    options.with_references(used, reference, None)  # refuses them
    return RuntimeScorer(used)


def _finish(
    evaluation: "Evaluation", about: dict[str, Any], json_file: Path | None, title: str
) -> None:
    if json_file:
        _write(json_file, evaluation, about)
    _show(evaluation, title)
    if evaluation.unreadable:
        raise typer.Exit(1)


def _about_model(used: "Detector | Runtime") -> dict[str, Any]:
    from faprompt.detection.detector import Detector

    known = used.identity
    about = {"sha256": known.pop("model_sha256"), **known}
    if isinstance(used, Detector):
        checksum = used.backbone.checksum
        return about | {"backbone_checksum": checksum, "device": str(used.device)}
    return about | {
        "backbone_checksum": used.description.backbone_checksum,
        "exported": used.description.form,
    }


def _about_data(dataset: "Dataset", evaluation: "Evaluation") -> dict[str, Any]:
    return {
        "name": dataset.name,
        "layout": dataset.layout,
        "root": str(dataset.root),
        "sha256": dataset.content_hash() if not evaluation.unreadable else None,
    }


def _write(path: Path, evaluation: "Evaluation", about: dict[str, Any]) -> None:
    import json

    from faprompt.files import write_text
    from faprompt.method.checkpoint import library_versions

    values = evaluation.to_dict() | about | {"versions": library_versions()}
    write_text(path, json.dumps(values, indent=2) + "\n")


def _show(evaluation: "Evaluation", title: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(printable(title), style="table.title"),
        title_justify="left",
        box=None,
        header_style="bold",
    )
    table.add_column("class\n", overflow="fold")
    table.add_column("normal +\nanomalous", justify="right")
    for heading in HEADINGS.values():
        table.add_column(heading, justify="right")
    by_type = any(result.types for result in evaluation.classes)
    if by_type:
        table.add_column("defect\npixels", justify="right")
    for result in evaluation.classes:
        table.add_row(Text(printable(result.name)), *_cells(result))
        for one in result.types:
            share = one.defect_pixels / max(1, result.defect_pixels)
            table.add_row(Text(f"  {printable(one.name)}"), *_cells(one), _percent(share))
    mean, undefined = evaluation.mean()
    if len(evaluation.classes) > 1:
        table.add_row("[bold]mean[/bold]", "", *(_percent(mean[m]) for m in HEADINGS))
    console = Console()
    console.print(table)
    for reason in sorted(set(undefined.values())):
        names = ", ".join(name for name, why in undefined.items() if why == reason)
        console.print(f"undefined: {names}: {reason}", style="yellow", soft_wrap=True, markup=False)
    counts = evaluation.to_dict()["counts"]
    notes = [f"{counts['images']} images in {evaluation.seconds:.1f} s"]
    notes += [
        f"{counts[key]} {text}"
        for key, text in (
            ("unknown_masks", "without a known mask (left out of pixel metrics)"),
            ("unlabelled", "unlabelled (left out)"),
        )
        if counts[key]
    ]
    console.print("; ".join(notes), highlight=False)
    for path, reason in evaluation.unreadable.items():
        line = printable(f"left out: {path}: {reason}")
        console.print(line, style="yellow", soft_wrap=True, markup=False)


def _cells(result: "ClassResult") -> list[str]:
    counts = f"{result.normal} + {result.anomalous}"
    return [counts, *(_percent(result.values[metric]) for metric in HEADINGS)]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
