"""What is to be done with which model, how, on what; and who does the work of ``--engine``."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from faprompt.errors import ConfigError
from faprompt.files import expanded

if TYPE_CHECKING:
    from faprompt.scale.engines import Engine
    from faprompt.scale.model import Model

ENGINES = ("local", "ray")


@dataclass(frozen=True, slots=True)
class Cluster:
    """Who does the work."""

    engine: str
    actors: int | None
    cpus: float | None
    gpus: float | None
    address: str | None

    def make(self, device: str) -> "tuple[Engine, str]":
        """The engine, and the device that its workers use.

        Raises:
            ConfigError: there is no such engine, or its cluster does not answer.
        """
        from faprompt.scale.engines import LocalEngine, RayEngine, connect

        if self.engine not in ENGINES:
            names = ", ".join(ENGINES)
            raise ConfigError(f"--engine must be one of {names}, got {self.engine!r}")
        if self.engine == "local":
            return LocalEngine(), device
        ray = connect(self.address)
        if device == "auto":
            device = "cuda" if ray.cluster_resources().get("GPU") else "cpu"
        gpus = self.gpus if self.gpus is not None else float(device.startswith("cuda"))
        return RayEngine(actors=self.actors, cpus=self.cpus or 1, gpus=gpus), device


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Options that name a model."""

    name: str
    weights: str | None
    device: str
    precision: str
    reference: str | None = None

    def refuse_exported(self) -> None:
        """Refuse what workers cannot load.

        Raises:
            typer.BadParameter: it is an exported model.
        """
        from faprompt.runtime.description import RECORD

        if (expanded(self.name) / RECORD).is_file():
            raise typer.BadParameter(
                f"--model {self.name}: an exported model does not go with --engine; use the "
                "checkpoint it was exported from"
            )

    def make(self, device: str) -> "tuple[Model, dict[str, Any]]":
        """The model for workers on ``device``, and the settings that it decides.

        ``auto`` precision is decided here, so that all workers compute alike.
        """
        from faprompt.scale.model import describe

        return describe(
            self.name,
            weights=self.weights,
            device=device,
            precision=self.precision,
            references=self.reference,
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """How images are read and what is written of each."""

    batch_size: int | None
    workers: int
    max_pixels: int = 0
    map_format: str | None = None

    def settings(self) -> dict[str, Any]:
        """What of it decides the results.

        Raises:
            ConfigError: there is no such format.
        """
        from faprompt.detection.outputs import FORMATS

        if self.map_format is not None and self.map_format not in FORMATS:
            names = ", ".join(FORMATS)
            raise ConfigError(f"map format must be one of {names}, got {self.map_format!r}")
        deciding = ("batch_size", "max_pixels", "map_format")
        return {name: getattr(self, name) for name in deciding}


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be done and where its results go."""

    paths: list[str]
    out: str
    shard_size: int | None
    retry_errors: bool


def full_name(text: str) -> str:
    """What a user typed, as it is understood from any folder."""
    from faprompt.data.remote import is_url

    return text if text == "-" or is_url(text) else str(expanded(text).absolute())
