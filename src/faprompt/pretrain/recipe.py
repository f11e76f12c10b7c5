"""The recipe of a pretraining run: everything its result depends on, in one TOML file."""

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from faprompt.clip.compute import DTYPES
from faprompt.config import refuse_unknown, short
from faprompt.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class LossWeights:
    """Share of each term of the loss."""

    dense: float = 1.0
    """Patch features of the local path against normal and abnormal sentences."""
    image: float = 0.5
    """The image feature against the same sentences."""
    peak: float = 0.3
    """The most abnormal patches of an image against its label."""
    caption: float = 0.3
    """Contrastive alignment of images and captions."""
    length: float = 0.05
    """Length of the image feature."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A stretch of training at one image size."""

    size: int
    """Side of the images in pixels."""
    steps: int
    """Length in steps; 0 for no end."""
    rate: float = 1.0
    """Factor on the learning rate."""

    def __post_init__(self) -> None:
        if self.size < 16 or self.size % 16 or self.steps < 0 or self.rate <= 0:
            raise ConfigError(
                f"stage with size {self.size} and {self.steps} steps at rate {self.rate}: the size "
                "must be a positive multiple of 16, the steps 0 (no end) or more, the rate positive"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Settings of a pretraining run."""

    name: str = "tiny"
    seed: int = 1
    scenes: int = 16
    """Scenes per step; each comes with its twin, so a step sees twice as many images."""
    scenes_per_kind: int = 2
    """Scenes drawn together, with the same kind and kind of defect."""
    block: int = 1
    """Steps whose scenes are drawn together, ahead of their use, and shuffled: many scenes of a
    kind at once fill a GPU. A block keeps the image size of its first step."""
    parts: int = 2
    """A step is computed in this many parts side by side, one core each; their gradients add up."""
    learning_rate: float = 1e-3
    warmup_steps: int = 150
    weight_decay: float = 0.05
    gradient_norm: float = 1.0
    """Longest gradient; longer ones are shortened."""
    precision: str = "fp32"
    """Of the towers while they learn: fp32, or bf16 where the machine accelerates it."""
    average: float = 0.998
    """Decay of the running average of the weights, which is what ships."""
    weights: LossWeights = field(default_factory=LossWeights)
    stages: tuple[Stage, ...] = (Stage(size=128, steps=0),)

    def __post_init__(self) -> None:
        counts = (self.scenes, self.scenes_per_kind, self.block, self.parts)
        if min(counts) < 1 or not self.stages:
            raise ConfigError(
                "scenes, scenes_per_kind, block, parts must be 1 or more, stages not empty"
            )
        if self.precision not in DTYPES:
            raise ConfigError(f"precision must be fp32 or bf16, got {self.precision!r}")
        if self.scenes % self.parts:
            raise ConfigError(f"{self.scenes} scenes do not divide into {self.parts} parts")
        if not 0 <= self.average < 1 or min(self.learning_rate, self.gradient_norm) <= 0:
            raise ConfigError(
                f"average must be in [0, 1), got {self.average}; learning_rate and gradient_norm "
                f"positive, got {self.learning_rate} and {self.gradient_norm}"
            )

    def stage_at(self, step: int) -> Stage:
        """Stage of a step, counted from 0."""
        for stage in self.stages:
            if not stage.steps or step < stage.steps:
                return stage
            step -= stage.steps
        return self.stages[-1]

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that name this recipe."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def load_recipe(path: Path | None = None) -> Recipe:
    """Read a recipe file; by default the packaged one of ``tiny``.

    Raises:
        ConfigError: the file is not TOML, or a setting is unknown or out of range.
    """
    source = path or files("faprompt").joinpath("pretrain/recipes/tiny.toml")
    try:
        table = tomllib.loads(source.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: not a readable recipe ({error})") from error
    weights = _checked(LossWeights, table.pop("weights", {}), f"{source}: weights")
    rows = table.pop("stages", [])
    if not isinstance(rows, list):
        raise ConfigError(f"{source}: stages: must be [[stages]] tables, got {short(rows)}")
    stages = tuple(_checked(Stage, row, f"{source}: stages") for row in rows)
    if stages:
        table["stages"] = stages
    recipe: Recipe = _checked(Recipe, {**table, "weights": weights}, str(source))
    return recipe


def _checked(kind: type[Any], table: dict[str, Any], where: str) -> Any:
    """Build a settings object, refusing unknown keys with the nearest name."""
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: must be a table of settings, got {short(table)}")
    refuse_unknown(table, [entry.name for entry in fields(kind)], where=where)
    try:
        return kind(**table)
    except TypeError as error:
        raise ConfigError(f"{where}: {error}") from error
