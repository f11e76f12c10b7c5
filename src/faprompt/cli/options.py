"""Options that several commands share, and what they mean."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faprompt.cli.printing import printable
from faprompt.errors import ConfigError

if TYPE_CHECKING:
    from faprompt.clip.compute import Compute
    from faprompt.detection.areas import Areas
    from faprompt.detection.detector import Detector
    from faprompt.detection.look import Look
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
Model = Annotated[
    str,
    typer.Option(help="tiny, a checkpoint written by train, or the folder of an exported model."),
]
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


def with_references(
    detector: "Detector | Runtime", reference: str | None, areas: "Areas | None"
) -> "Detector | Runtime":
    """The detector with a memory of the good images in a folder, if one is named.

    Raises:
        ConfigError: an exported model has no patch features to compare.
        DataError: an image of the folder cannot be used, or there is none.
    """
    if reference is None:
        return detector
    from faprompt.detection.fitting import NOT_EXPORTED
    from faprompt.runtime import Runtime

    if isinstance(detector, Runtime):
        raise ConfigError(NOT_EXPORTED)
    return detector.with_references(references_in(reference), areas=areas)


def references_in(reference: str | None) -> list[Path]:
    """The good images in a folder; none without one.

    Raises:
        DataError: there are none.
    """
    if reference is None:
        return []
    from faprompt.detection.references import reference_images

    return reference_images(reference)


def use_station(model: "Detector | Runtime", station: Path | None, look: "Look") -> None:
    """Judge by a station, if one is given; what cannot work is refused now, not in an hour.

    Raises:
        StationError: not a station, or one of another model or of other settings.
    """
    from faprompt.detection.fitting import decider

    if station:
        model.use_station(station)
    decider(model.station, model.score_settings(look))


def shown(path: Path) -> str:
    """A path as short as it can be said from here."""
    try:
        return printable(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError, RuntimeError):  # elsewhere, or links in a circle
        return printable(path)


def marked(path: Path) -> str:
    """The same for texts with markup, which takes brackets for its own."""
    from rich.markup import escape

    return escape(shown(path))
