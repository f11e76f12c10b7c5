"""The models that the desk serves: checkpoints of the library or exported models."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faprompt.deploy.server.names import id_of
from faprompt.detection.station import Station
from faprompt.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedModel:
    """A loaded model and what is said of it."""

    name: str
    sha256: str
    """Of the checkpoint, or of an exported model's record, which names all its files."""
    identity: Mapping[str, Any]
    """What a station records of a model; see ``Detector.identity``."""
    batch_size: int
    predictor: Any
    """Of which the streaming form of ``predict`` is used; no protocol matches its overloads."""
    station: Station | None = None
    """One that lay beside an exported model."""

    @property
    def id(self) -> str:
        """Name of the model in the API."""
        return id_of(self.sha256)


Models = dict[str, ServedModel]
"""By id; the first one is the default."""


def by_id(models: Iterable[ServedModel]) -> Models:
    """Models by their ids.

    Raises:
        ConfigError: none, or one twice.
    """
    found: Models = {}
    for model in models:
        if model.id in found:
            raise ConfigError(f"--model {model.name}: the same model as {found[model.id].name}")
        found[model.id] = model
    if not found:
        raise ConfigError("no model to serve; name one with --model")
    return found


def load_model(
    name: str, *, weights: str | None = None, device: str = "auto", precision: str = "auto"
) -> ServedModel:
    """Load ``tiny``, a checkpoint, or a folder written by ``faprompt export``.

    Args:
        name: As ``--model``.
        weights: Of the backbone; an exported model has its own.
        device: See ``Detector.load``.
        precision: See ``Detector.load``.

    Raises:
        CheckpointError: there is no such model, or it is damaged.
        WeightsError: the backbone's weights are missing.
    """
    from faprompt.runtime.description import RECORD

    folder = Path(name).expanduser()
    if (folder / RECORD).is_file():
        return _exported(folder, device="cpu" if device == "auto" else device)
    from faprompt.detection.detector import Detector

    detector = Detector.load(name, weights=weights, device=device, precision=precision)
    return ServedModel(
        name=Path(name).name,
        sha256=detector.checksum,
        identity=detector.identity,
        batch_size=detector.batch_size,
        predictor=detector,
    )


def _exported(folder: Path, *, device: str) -> ServedModel:
    from faprompt.data.hashing import content_hash
    from faprompt.runtime import Runtime
    from faprompt.runtime.description import RECORD

    runtime = Runtime.load(folder, device=device)
    station, runtime.station = runtime.station, None  # the desk decides, per batch
    return ServedModel(
        name=folder.name,
        sha256=content_hash(folder / RECORD),  # it names the SHA-256 of every other file
        identity=runtime.identity,
        batch_size=runtime.batch_size,
        predictor=runtime,
        station=station,
    )
