"""The ``evaluate`` command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faprompt.cli import options, scaled
from faprompt.cli import scaled_options as many
from faprompt.cli.app import app

if TYPE_CHECKING:
    from faprompt.detection.evaluation import Evaluation

Data = Annotated[str, typer.Option(help="Labelled data set: PATH or LAYOUT:PATH.")]
Json = Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")]
Out = Annotated[
    str | None,
    typer.Option(help="With --engine: folder or URL of its shards; the same command continues it."),
]
FprLimit = Annotated[float, typer.Option(help="False positive rate up to which AUPRO counts.")]

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
    data: Data,
    model: options.Model = "tiny",
    json_file: Json = None,
    fpr_limit: FprLimit = 0.3,
    weights: options.Weights = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    batch_size: options.BatchSize = None,
    workers: options.Workers = options.DEFAULT_WORKERS,
    engine: many.EngineName = None,
    out: Out = None,
    shard_size: many.ShardSize = many.LABELLED_SHARD_SIZE,
    actors: many.Actors = None,
    cpus: many.Cpus = 1,
    gpus: many.Gpus = None,
    address: many.Address = None,
    retry_errors: many.RetryErrors = False,
) -> None:
    """Measure a model on a labelled data set: per class, and the mean.

    Example: faprompt evaluate --data ./parts --model runs/x/best.safetensors
    """
    if engine is not None:
        cluster = scaled.Cluster(engine, actors, cpus, gpus, address)
        chosen = scaled.ModelOptions(model, weights, device, precision)
        reading = scaled.Reading(batch_size, workers)
        request = scaled.Request([data], out or "", shard_size, retry_errors)
        _finish(
            *scaled.evaluate(cluster, chosen, reading, request, fpr_limit),
            json_file,
            f"{data}, model {model}",
        )
        return
    from rich.console import Console
    from rich.progress import Progress

    from faprompt.data.datasets import load_dataset

    dataset = load_dataset(data)
    from faprompt.detection.detector import Detector
    from faprompt.detection.evaluation import Settings
    from faprompt.detection.evaluation import evaluate as run

    detector = Detector.load(model, weights=weights, device=device, precision=precision)
    settings = Settings(fpr_limit=fpr_limit, batch_size=batch_size, workers=workers)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("scoring", total=len(dataset) - dataset.counts().unlabelled)
        evaluation = run(detector, dataset, settings, progress=lambda n: progress.advance(task, n))
    about: dict[str, Any] = {}
    if json_file:
        about = _about(detector, dataset, model, evaluation) | {"fpr_limit": fpr_limit}
    _finish(evaluation, about, json_file, f"{dataset.name} ({dataset.layout}), model {model}")


def _finish(
    evaluation: "Evaluation", about: dict[str, Any], json_file: Path | None, title: str
) -> None:
    if json_file:
        _write(json_file, evaluation, about)
    _show(evaluation, title)
    if evaluation.unreadable:
        raise typer.Exit(1)


def _about(detector: Any, dataset: Any, model: str, evaluation: "Evaluation") -> dict[str, Any]:
    scale = detector.backbone.clip.logit_scale
    return {
        "model": {
            "name": model,
            "sha256": detector.checksum,
            "backbone": detector.header.backbone,
            "backbone_checksum": detector.backbone.checksum,
            "input_size": detector.input_size,
            "precision": str(scale.dtype).removeprefix("torch."),
            "device": str(scale.device),
        },
        "data": {
            "name": dataset.name,
            "layout": dataset.layout,
            "root": str(dataset.root),
            "sha256": dataset.content_hash() if not evaluation.unreadable else None,
        },
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

    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    table.add_column("class\n")
    table.add_column("normal +\nanomalous", justify="right")
    for heading in HEADINGS.values():
        table.add_column(heading, justify="right")
    for result in evaluation.classes:
        counts = f"{result.normal} + {result.anomalous}"
        table.add_row(result.name, counts, *(_percent(result.values[m]) for m in HEADINGS))
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
        console.print(f"left out: {path}: {reason}", style="yellow", soft_wrap=True, markup=False)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
