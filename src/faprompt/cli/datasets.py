"""The ``datasets`` commands: which are known, is a copy whole, export, overlap."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faprompt.cli import options
from faprompt.cli.app import app

if TYPE_CHECKING:
    from faprompt.data.samples import Dataset

datasets = typer.Typer(help="Data sets: what is known, check a copy, export, find overlaps.")
app.add_typer(datasets, name="datasets", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A name of `faprompt datasets list`, or a layout.")]
Place = Annotated[
    Path, typer.Argument(exists=True, help="The data set's folder, or the one above.")
]


@datasets.command("list")
def list_datasets() -> None:
    """List the published data sets that can be read: facts, licences and where to get them."""
    from rich.console import Console
    from rich.table import Table

    from faprompt.data.catalogue import CATALOGUE

    table = Table(box=None, header_style="bold")
    for heading in ("name", "data set", "kind", "classes", "levels", "normal + anomalous"):
        table.add_column(heading, justify="right" if heading == "classes" else "left")
    table.add_column("licence", overflow="fold")
    table.add_column("where to get it", overflow="fold")
    for entry in CATALOGUE.values():
        counts = " or ".join(f"{normal} + {anomalous}" for normal, anomalous in entry.expected)
        table.add_row(
            entry.name, entry.title, entry.kind, str(entry.classes), ", ".join(entry.levels),
            counts or "not fixed", entry.licence, entry.where,
        )  # fmt: skip
    console = Console()
    console.print(table)
    for entry in CATALOGUE.values():
        if entry.note:
            console.print(f"{entry.name}: {entry.note}", style="dim", highlight=False)


@datasets.command()
def check(
    name: Name,
    path: Place,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write everything that was found to this file.")
    ] = None,
    workers: options.Workers = options.DEFAULT_WORKERS,
) -> None:
    """Read a copy of a data set once: counts, unreadable files, masks, duplicates, sizes.

    Exit code 1 where something keeps it from being evaluated as published.
    """
    import json

    from rich.console import Console
    from rich.progress import Progress

    from faprompt.data.catalogue import CATALOGUE
    from faprompt.data.checking import check_dataset
    from faprompt.files import write_text

    dataset = _load(name, path)
    entry = CATALOGUE.get(dataset.layout)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading", total=len(dataset))
        health = check_dataset(
            dataset,
            expected=entry.expected if entry else (),
            pixel_level=entry is None or "pixel" in entry.levels,
            workers=workers,
            progress=lambda n: progress.advance(task, n),
        )
    if json_file:
        write_text(json_file, json.dumps(health.to_dict(), indent=2) + "\n")
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{dataset.name} ({dataset.layout}): {health.summary}")
    if health.smallest and health.largest:
        (w, h), (width, height) = health.smallest, health.largest
        console.print(f"sizes {w} x {h} to {width} x {height}")
    for remark in health.remarks:
        console.print(f"remark: {remark}", markup=False)
    for problem in health.problems:
        console.print(f"problem: {problem}", style="yellow", markup=False)
    if health.problems:
        raise typer.Exit(1)
    console.print("whole and clean" if entry and entry.expected else "clean", style="green")


@datasets.command()
def export(
    name: Name,
    path: Place,
    to: Annotated[Path, typer.Option(help="manifest.jsonl, or meta.json in AnomalyCLIP's form.")],
) -> None:
    """Write a data set's samples into one file that every --data option reads."""
    from faprompt.data.exporting import export_samples

    dataset = _load(name, path)
    typer.echo(f"{len(dataset)} samples in {options.shown(export_samples(dataset, to))}")


@datasets.command()
def overlap(
    auxiliary: Annotated[list[str], typer.Option(help="PATH or LAYOUT:PATH. May be repeated.")],
    target: Annotated[str, typer.Option(help="PATH or LAYOUT:PATH.")],
    workers: options.Workers = options.DEFAULT_WORKERS,
) -> None:
    """Find images of the target that are in the auxiliary sets, too. Exit code 1 if there are."""
    from faprompt.data.datasets import load_dataset
    from faprompt.data.overlap import find_overlap

    sets = [load_dataset(spec) for spec in auxiliary]
    found = find_overlap(sets, load_dataset(target), workers=workers)
    for pair in found.pairs:
        typer.echo(f"{pair.kind}\t{pair.auxiliary}\t{pair.target}")
    for path in found.unreadable:
        typer.secho(f"left out: {path} cannot be read", err=True, fg="yellow")
    if found.pairs:
        raise typer.Exit(1)
    typer.echo("no image in common")


def _load(name: str, path: Path) -> "Dataset":
    from faprompt.data.datasets import load_dataset
    from faprompt.data.layouts import LAYOUTS

    if name.lower() not in LAYOUTS:
        from difflib import get_close_matches

        near = get_close_matches(name, LAYOUTS, n=1, cutoff=0.0)[0]
        raise typer.BadParameter(f"unknown data set {name!r}; did you mean {near!r}?")
    return load_dataset(f"{name}:{path}")
