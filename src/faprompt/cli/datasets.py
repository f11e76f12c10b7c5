"""The ``datasets`` commands: what is known, is a copy whole, write it down, do two overlap."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faprompt.cli.app import app
from faprompt.cli.printing import printable

if TYPE_CHECKING:
    from faprompt.data.checking import Check
    from faprompt.data.overlap import Overlap
    from faprompt.data.samples import Dataset

datasets = typer.Typer(help="Data sets: what is known, check a copy, export it, find overlaps.")
app.add_typer(datasets, name="datasets", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A layout, such as a name of `faprompt datasets list`.")]
Place = Annotated[Path, typer.Argument(help="The data set's folder, or the one above it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SHOWN = 5
"""Files named per finding; --json names all."""


@datasets.command("list")
def list_datasets() -> None:
    """List the data sets with their expected counts, licences and sources."""
    from rich.console import Console
    from rich.table import Table

    from faprompt.data.catalogue import CATALOGUE

    table = Table(box=None, header_style="bold")
    for column in ("name", "kind", "classes", "levels", "counts", "paper", "licence"):
        numeric = column in {"classes", "counts", "paper"}
        wraps = column in {"levels", "licence"}
        table.add_column(column, justify="right" if numeric else "left", no_wrap=not wraps)
    for entry in CATALOGUE.values():
        counts = _pair(entry.counts, missing="-"), _pair(entry.paper, missing="")
        levels = ", ".join(entry.levels)
        table.add_row(entry.name, entry.kind, str(entry.classes), levels, *counts, entry.licence)
    Console().print(table)
    typer.echo("\nCounts: normal + anomalous test images as distributed; paper: where it differs.")
    typer.echo("Where to get them:")
    for entry in CATALOGUE.values():
        typer.echo(f"  {entry.name:<12} {entry.title}: {entry.where}")


@datasets.command()
def check(name: Name, path: Place, as_json: Json = False) -> None:
    """Read every file of a data set; exit code 1 if something is wrong with it."""
    import json

    from faprompt.data.checking import check_dataset

    dataset = _load(name, path)
    found = check_dataset(dataset)
    if as_json:
        typer.echo(json.dumps(_check_values(dataset, found), indent=2))
    else:
        _print_check(dataset, found)
    if found.problems:
        raise typer.Exit(1)


@datasets.command()
def export(
    name: Name,
    path: Place,
    to: Annotated[Path, typer.Option(help="File to write: NAME.jsonl or NAME.json.")],
) -> None:
    """Write a data set down as manifest.jsonl, or as meta.json in AnomalyCLIP's form."""
    from faprompt.data.exporting import export_dataset

    dataset = _load(name, path)
    export_dataset(dataset, to)
    typer.echo(printable(f"{to}: {len(dataset)} images of {dataset.name}"))


@datasets.command()
def overlap(
    auxiliary: Annotated[list[str], typer.Option(help="Data set trained on; may be repeated.")],
    target: Annotated[str, typer.Option(help="Data set tested on: PATH or LAYOUT:PATH.")],
    as_json: Json = False,
) -> None:
    """Find images that are in both; exit code 1 if the same file is."""
    import json

    from faprompt.data.datasets import load_dataset
    from faprompt.data.overlap import find_overlap

    found = find_overlap([load_dataset(spec) for spec in auxiliary], load_dataset(target))
    if as_json:
        typer.echo(json.dumps(_overlap_values(found), indent=2))
    else:
        _print_overlap(found)
    if found.of_kind("content"):
        raise typer.Exit(1)


def _load(name: str, path: Path) -> "Dataset":
    from faprompt.data.datasets import load_dataset
    from faprompt.data.layouts import LAYOUTS

    if name.lower() not in LAYOUTS:
        raise typer.BadParameter(
            f"{name!r} is no data set or layout; known: {', '.join(LAYOUTS)}", param_hint="NAME"
        )
    return load_dataset(f"{name}:{path}")


def _pair(counts: tuple[int, int] | None, *, missing: str) -> str:
    return missing if counts is None else f"{counts[0]} + {counts[1]}"


def _findings(found: "Check") -> dict[str, list[Any]]:
    groups = {"duplicates": found.duplicates, "contradictions": found.contradictions}
    return {
        "unreadable": list(found.unreadable.values()),
        "without_mask": [str(path) for path in found.without_mask],
        "empty_masks": [str(path) for path in found.empty_masks],
        **{key: [[str(path) for path in group] for group in g] for key, g in groups.items()},
    }


def _check_values(dataset: "Dataset", found: "Check") -> dict[str, Any]:
    counts = found.counts
    return {
        "name": dataset.name,
        "layout": dataset.layout,
        "root": str(dataset.root),
        "classes": list(dataset.classes),
        "normal": counts.normal,
        "anomalous": counts.anomalous,
        "unlabelled": counts.unlabelled,
        "masks": counts.masks,
        "expected": list(found.expected.counts or ()) if found.expected else [],
        "sizes": found.sizes,
        "problems": list(found.problems),
        **_findings(found),
    }


def _print_check(dataset: "Dataset", found: "Check") -> None:
    counts = found.counts
    typer.echo(printable(f"{dataset.root} ({dataset.layout})"))
    typer.echo(
        f"{counts.normal} normal, {counts.anomalous} anomalous, {counts.unlabelled} unlabelled "
        f"images in {found.classes} classes; {counts.masks} masks"
    )
    if found.sizes:
        (width, height), (widest, highest) = found.sizes
        typer.echo(f"width {width} to {widest}, height {height} to {highest} pixels")
    _print_findings(found)
    for problem in found.problems:
        typer.secho(f"problem: {problem}", fg=typer.colors.RED)
    if not found.problems:
        known = found.expected is not None and found.expected.counts is not None
        typer.echo("fine" if known else "fine as far as is known: no counts to compare with")


def _print_findings(found: "Check") -> None:
    for key, items in _findings(found).items():
        if key == "without_mask" and found.expected and not found.needs_masks:
            continue  # evaluated on images alone
        if items:
            typer.echo(f"{key.replace('_', ' ')}: {len(items)}")
        for item in items[:SHOWN]:
            typer.echo(f"  {printable(' = '.join(item) if isinstance(item, list) else item)}")
        if len(items) > SHOWN:
            typer.echo(f"  and {len(items) - SHOWN} more (--json)")


def _overlap_values(found: "Overlap") -> dict[str, Any]:
    return {
        "pairs": [
            {
                "auxiliary": str(pair.auxiliary),
                "target": str(pair.target),
                "kind": pair.kind,
                "distance": pair.distance,
            }
            for pair in found.pairs
        ],
        "unreadable": list(found.unreadable.values()),
    }


def _print_overlap(found: "Overlap") -> None:
    for pair in found.pairs:
        how = (
            "the same" if pair.kind == "content" else f"alike ({pair.distance} of 128 bits differ)"
        )
        typer.echo(printable(f"{pair.target} = {pair.auxiliary}: {how}"))
    for reason in found.unreadable.values():
        typer.echo(f"left out: {printable(reason)}")
    same, alike = (len(found.of_kind(kind)) for kind in ("content", "perceptual"))
    typer.echo(f"{same} pairs with the same content, {alike} target images that look alike")
