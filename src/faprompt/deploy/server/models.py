"""The models that the desk serves: checkpoints of the library or exported models."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faprompt.deploy.server.names import id_of
from faprompt.detection.fitting import NOT_EXPORTED, REFERENCES
from faprompt.detection.look import Look
from faprompt.detection.station import Station
from faprompt.detection.tiling import Tiling
from faprompt.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedModel:
    """A loaded model and what is said of it."""

    name: str
    sha256: str
    """Of the checkpoint, or of an exported model's record, which names all its files; where there
    are references, of the checkpoint's and theirs."""
    identity: Mapping[str, Any]
    """What a station records of a model; see ``Detector.identity``."""
    batch_size: int
    predictor: Any
    """Of which the streaming form of ``predict`` is used; no protocol matches its overloads."""
    station: Station | None = None
    """One that lay beside an exported model."""
    references: int = 0
    """Good images that it compares with; 0: zero-shot."""

    @property
    def id(self) -> str:
        """Name of the model in the API."""
        return id_of(self.sha256)

    def settings(self, tile: str | None) -> dict[str, Any]:
        """What changes scores beside the model, as stations record it.

        Raises:
            ConfigError: the tile is neither ``auto`` nor a number of pixels, or there are
                references, which do not go together with tiles.
        """
        found: dict[str, Any] = self.predictor.score_settings(look_of(tile))
        return found

    def fits(self, station: Station) -> bool:
        """Whether a station was calibrated for this model and its references."""
        return station.model_sha256 == self.identity["model_sha256"] and station.settings.get(
            REFERENCES
        ) == self.settings(None).get(REFERENCES)


def look_of(tile: str | None) -> Look:
    """How images are looked at: with what the prompts respond to, and by windows where asked.

    Raises:
        ConfigError: the tile is neither ``auto`` nor a number of pixels.
    """
    return Look(responses=True, tiling=None if tile is None else Tiling.parse(tile))


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
    name: str,
    *,
    weights: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    references: Sequence[Path] = (),
) -> ServedModel:
    """Load ``tiny``, a checkpoint, or a folder written by ``faprompt export``.

    Args:
        name: As ``--model``.
        weights: Of the backbone; an exported model has its own.
        device: See ``Detector.load``.
        precision: See ``Detector.load``.
        references: Good images to compare with; none: zero-shot.

    Raises:
        CheckpointError: there is no such model, or it is damaged.
        ConfigError: an exported model has no patch features to compare with references.
        DataError: one of the references cannot be used.
        WeightsError: the backbone's weights are missing.
    """
    from faprompt.runtime.description import RECORD

    folder = Path(name).expanduser()
    if (folder / RECORD).is_file():
        if references:
            raise ConfigError(NOT_EXPORTED)
        return _exported(folder, device="cpu" if device == "auto" else device)
    from faprompt.detection.detector import Detector

    detector = Detector.load(name, weights=weights, device=device, precision=precision)
    checksum = detector.checksum
    if references:
        detector = detector.with_references(references)
        both = checksum + detector.score_settings(None)[REFERENCES]
        checksum = hashlib.sha256(both.encode()).hexdigest()
    return ServedModel(
        name=Path(name).name,
        sha256=checksum,
        identity=detector.identity,
        batch_size=detector.batch_size,
        predictor=detector,
        references=detector.memory.images if detector.memory else 0,
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
