"""Options that several commands share, and what they mean."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from faprompt.clip.compute import Compute
    from faprompt.detection.detector import Detector
    from faprompt.runtime import Runtime

Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Precision = Annotated[
    str, typer.Option(help="auto (bf16 where the machine accelerates it), fp32 or bf16.")
]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Images at once.")]
Workers = Annotated[int, typer.Option(min=0, help="Threads that read images beside the model.")]
Weights = Annotated[
    str | None,
    typer.Option(help="The backbone's weights: a file, a folder or a hub id. tiny needs none."),
]
Station = Annotated[
    Path | None,
    typer.Option(help="Decide OK, UNSURE or NG: a file written by calibrate for this model."),
]
Model = Annotated[str, typer.Option(help="tiny, or a checkpoint written by train.")]
Reference = Annotated[
    str | None,
    typer.Option(help="Folder of a few good images to compare with (few-shot); else zero-shot."),
]

DEFAULT_WORKERS = min(4, os.cpu_count() or 1)


def resolve_compute(device: str, precision: str) -> "Compute":
    """Device and precision for this machine."""
    from faprompt.clip.compute import resolve

    return resolve(device, precision)


def load_model(
    model: str, *, weights: str | None, device: str, precision: str
) -> "Detector | Runtime":
    """A checkpoint on its backbone, or an exported model where ``model`` is its folder."""
    from faprompt.runtime.description import RECORD

    if (Path(model) / RECORD).is_file():
        from faprompt.runtime import Runtime

        return Runtime.load(model, device="cpu" if device == "auto" else device)
    from faprompt.detection.detector import Detector

    return Detector.load(model, weights=weights, device=device, precision=precision)


def shown(path: Path) -> str:
    """A path as short as it can be said from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
