"""The ``export`` command."""

from pathlib import Path
from typing import Annotated

import typer

from faprompt.cli import options
from faprompt.cli.app import app

Out = Annotated[Path, typer.Option(help="Folder to write; an earlier export there is replaced.")]
Form = Annotated[str, typer.Option("--format", help="onnx or openvino.")]
Precision = Annotated[str, typer.Option(help="fp32, fp16, bf16 (openvino) or int8.")]
Calibrate = Annotated[
    str | None,
    typer.Option(
        help="For int8: images as they will be seen, PATH or LAYOUT:PATH. If they are labelled, "
        "the loss in AUROC on them is printed."
    ),
]
ParityImages = Annotated[
    str | None,
    typer.Option(help="Images to compare on, PATH or LAYOUT:PATH; by default the shipped ones."),
]

Station = Annotated[
    str | None,
    typer.Option(help="A file written by calibrate for this model; the runtime then decides."),
]
Checkpoint = Annotated[str, typer.Option(help="tiny, or a checkpoint written by train.")]


@app.command()
def export(
    out: Out,
    model: Checkpoint = "tiny",
    form: Form = "onnx",
    precision: Precision = "fp32",
    calibrate: Calibrate = None,
    parity_images: ParityImages = None,
    station: Station = None,
    weights: options.Weights = None,
) -> None:
    """Write a model as one graph that runs without torch, after comparing it with the torch model.

    Example: faprompt export --model runs/x --format onnx --out exported
    """
    from rich.console import Console

    from faprompt.deploy.export import ExportSettings, export_model

    settings = ExportSettings(
        form=form,
        precision=precision,
        calibrate=calibrate,
        parity_images=parity_images,
        station=station,
    )
    from faprompt.detection.detector import Detector

    console = Console()
    detector = Detector.load(model, weights=weights, device="cpu", precision="fp32")
    with Console(stderr=True).status("exporting"):
        description = export_model(
            detector,
            out,
            settings,
            say=lambda text: console.print(text, soft_wrap=True, highlight=False, markup=False),
        )
    size = sum((out / name).stat().st_size for name in description.files)
    console.print(
        f"{form}, {precision}, {size / 1e6:,.1f} MB: {options.marked(out)}", soft_wrap=True
    )
