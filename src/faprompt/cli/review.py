"""The ``review`` commands: which images to look at, and a station from their labels."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from faprompt.cli import options
from faprompt.cli.app import app
from faprompt.errors import ConfigError

review = typer.Typer(help="Look at uncertain images, and recalibrate a station from the labels.")
app.add_typer(review, name="review", no_args_is_help=True)

Predictions = Annotated[Path, typer.Option(help="Folder that `faprompt predict --station` wrote.")]
Folder = Annotated[Path, typer.Option(help="Folder for labels.csv and the images.")]
Number = Annotated[int, typer.Option(min=0, help="Uncertain images: UNSURE, nearest first.")]
Random = Annotated[
    int, typer.Option(min=0, help="Images drawn blindly besides: a fair sample, label all of them.")
]
Seed = Annotated[int, typer.Option(help="Of the drawing.")]
Copy = Annotated[bool, typer.Option("--copy/--no-copy", help="Copy images, or list their paths.")]
Labels = Annotated[Path, typer.Option(help="labels.csv with ok or ng in its first column.")]
Old = Annotated[Path, typer.Option(help="The station to recalibrate; it stays as it is.")]
New = Annotated[Path, typer.Option(help="The station to write.")]


@review.command()
def export(
    predictions: Predictions,
    out: Folder = Path("review"),
    number: Number = 20,
    random: Random = 0,
    seed: Seed = 0,
    copy: Copy = True,
) -> None:
    """Pick the images where a label helps most, with a table to fill in.

    Example: faprompt review export --predictions results --out review
    """
    from faprompt.detection.review import pick
    from faprompt.detection.review_files import LABELS, write_review
    from faprompt.detection.rows import read_run

    rows = read_run(predictions)
    if undecided := sum(row.decision is None for row in rows):
        raise ConfigError(
            f"{predictions}: {undecided} images have no decision; predict with --station into "
            "another --out"
        )
    picks = pick(rows, uncertain=number, random=random, seed=seed)
    count = write_review(out, picks, run=predictions, copy=copy, on_error=_left_out)
    reasons = Counter(one.judged.decision for one in picks if one.reason == "uncertain")
    named = ", ".join(f"{n} {verdict}" for verdict, n in reasons.items())
    typer.echo(f"{count} of {len(rows)} images to label (uncertain: {named or 'none'})")
    typer.echo(f"fill in ok or ng: {options.shown(out / LABELS)}")


@review.command()
def apply(labels: Labels, station: Old, out: New) -> None:
    """Recalibrate a station from labels, without the model.

    Example: faprompt review apply --labels review/labels.csv --station station.json --out new.json
    """
    from faprompt.cli.calibrate import show
    from faprompt.data.hashing import content_hash
    from faprompt.detection.review import recalibrate
    from faprompt.detection.review_files import read_labels
    from faprompt.detection.score_axis import threshold_text
    from faprompt.detection.station import Station

    if out.resolve() == station.resolve():
        raise ConfigError(
            f"--out {out}: is the station itself, which its successor refers to; choose another"
        )
    before = Station.read(station)
    found = read_labels(labels, before, on_error=_left_out)
    after = recalibrate(before, found, labels_sha256=content_hash(labels))
    after.write(out)
    counts = Counter(one.label for one in found)
    typer.echo(f"{len(found)} labels: {counts['ok']} ok, {counts['ng']} ng")
    for name, words in (("threshold", "NG"), ("review_threshold", "UNSURE")):
        old, new = (threshold_text(getattr(one, name)) for one in (before, after))
        typer.echo(f"  {words} from {old} to {new}")
    show(after, out)


def _left_out(_: object, error: object) -> None:
    typer.secho(f"left out: {error}", err=True, fg=typer.colors.YELLOW)
