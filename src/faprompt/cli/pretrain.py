"""The ``pretrain`` and ``render`` commands: how the embedded backbone was made."""

from pathlib import Path
from typing import Annotated

import typer

from faprompt.cli.app import app

Photos = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        file_okay=False,
        help="Folder of photographs in material/, object/, scene/ and medical/.",
    ),
]


@app.command()
def pretrain(
    out: Annotated[Path, typer.Option(help="Folder of the run: state and log.")],
    recipe: Annotated[
        Path | None, typer.Option(exists=True, help="Recipe (TOML); by default that of tiny.")
    ] = None,
    photos: Photos = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after this time.")] = None,
    steps: Annotated[int | None, typer.Option(help="Stop at this step of the run.")] = None,
    start: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Weights to begin with, not random ones; given again, the mean of all.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option(help="Continue the run in --out.")] = False,
    export: Annotated[
        Path | None, typer.Option(help="Write tiny.safetensors into this folder at the end.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
) -> None:
    """Train the embedded backbone on rendered pictures; interrupt and resume at will."""
    import logging

    import torch

    from faprompt.pretrain.photos import load_photos
    from faprompt.pretrain.recipe import load_recipe
    from faprompt.pretrain.running import Pace
    from faprompt.pretrain.running import pretrain as run_pretraining
    from faprompt.pretrain.shipping import export_weights
    from faprompt.pretrain.trainer import Pretraining

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)  # the parts of a step run side by side, one core each
    settings = load_recipe(recipe)
    bank = load_photos(photos) if photos is not None else None
    run = Pretraining(settings, photos=bank, device=device, start=start or ())
    run_pretraining(run, out, Pace(minutes=minutes, steps=steps), resume=resume)
    if export is not None:
        typer.echo(f"weights: {export_weights(out, export, settings)}")


@app.command()
def render(
    out: Annotated[Path, typer.Option(help="A new folder; gets the MVTec layout.")],
    split: Annotated[str, typer.Option(help="train, heldout or example.")] = "train",
    count: Annotated[int, typer.Option(min=1, help="Pictures; every second has a defect.")] = 48,
    size: Annotated[int, typer.Option(min=16, help="Side in pixels, a multiple of 8.")] = 256,
    seed: Annotated[int, typer.Option(help="Chooses other pictures.")] = 0,
    photos: Photos = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Draw a contact sheet of the split into this file too.")
    ] = None,
) -> None:
    """Render a small labelled data set with exact masks, for training prompts or for scoring."""
    from typing import cast

    import torch

    from faprompt.pretrain.dataset import render_dataset
    from faprompt.pretrain.kinds import Split
    from faprompt.pretrain.photos import load_photos
    from faprompt.pretrain.sheet import contact_sheet

    torch.set_num_threads(1)  # many small operations: a second thread costs more than it brings
    bank = load_photos(photos) if photos is not None else None
    written = render_dataset(
        out, split=cast(Split, split), count=count, size=size, seed=seed, photos=bank
    )
    if sheet is not None:
        contact_sheet(sheet, split=cast(Split, split), seed=seed, photos=bank)
    typer.echo(f"{written.normal} normal and {written.anomalous} anomalous pictures in {out}")
