"""Settings. One frozen dataclass per owner; the values are the paper's unless a comment says else.

Source: FAPrompt (arXiv:2410.10289) and its released code, as described in docs/method.md.
"""

import reprlib
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Self, get_args, get_origin

from faprompt.errors import ConfigError

Preset = Literal["paper", "released"]
PriorGather = Literal["top", "first"]
FocalOn = Literal["probability", "sigmoid"]

SHOWN = 100
"""Characters of a value in an error's text."""
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxdict = 2, 20, 20  # lists may hold themselves anew
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 2 * SHOWN
MAX_INPUT_SIZE = 8192
"""Side in pixels: 64 M pixels and, of the smallest patches, a million tokens."""
MAX_BLUR_SIGMA = 1000.0
"""Pixels: a blur far beyond this is a constant, and its kernel is as long as the number says."""

_PRESET_SETTINGS: dict[str, dict[str, Any]] = {
    "paper": {"prior_gather": "top", "image_focal_on": "probability", "fp16_deep_prompts": False},
    "released": {"prior_gather": "first", "image_focal_on": "sigmoid", "fp16_deep_prompts": True},
}
PRESETS = tuple(_PRESET_SETTINGS)
"""``paper``: the method as described. ``released``: with the three faults of the released code."""


class Settings:
    """What every settings class can do: be made from and turned into plain values."""

    __slots__ = ()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, where: str) -> Self:
        """Build from plain values; unknown keys are refused with the nearest name."""
        refuse_unknown(values, cls.names(), where=where)
        try:
            return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
        except TypeError as error:
            raise ConfigError(f"{where}: {error}") from None

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of the settings, in the order of their definition."""
        return tuple(field.name for field in fields(cls))  # type: ignore[arg-type]

    def check_types(self) -> None:
        """Raise a ConfigError where a value is not of its setting's type."""
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            kinds = _kinds(field.type)
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                words = " or ".join(
                    _KIND_WORDS[k] for k in kinds if k is not int or float not in kinds
                )
                raise ConfigError(f"{field.name} must be {words}, got {short(value)}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as they are stored in checkpoints."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodConfig(Settings):
    """Prompts (CAP), prior (DAP) and scoring."""

    num_abnormality_prompts: int = 10
    """K, complementary abnormality prompts built on one normality prompt."""
    num_normal_tokens: int = 5
    """E, learnable tokens shared by the normality and abnormality prompts."""
    num_abnormal_tokens: int = 2
    """E', extra learnable tokens of each abnormality prompt."""
    num_deep_prompts: int = 8
    """Sets of learnable tokens that enter the text blocks 1, 2, ... (0-based)."""
    deep_prompt_length: int = 4
    """Learnable tokens per set."""
    token_init_std: float = 0.02
    """Standard deviation of the learnable tokens at the start."""
    num_prior_patches: int = 10
    """M, most abnormal patches that feed the abnormality prior."""
    prior_reduction: int = 16
    """The prior network's hidden layer is this many times narrower than its input."""
    temperature: float = 0.07
    """tau, divides cosine similarities before the softmax."""
    blur_sigma: float = 10.0
    """Gaussian blur of the anomaly map, in pixels at input size; 0 is none."""
    prior_gather: PriorGather = "top"
    """``top``: the M most abnormal patches; ``first``: the first M, as in the released code."""
    image_focal_on: FocalOn = "probability"
    """What the image focal loss reads: the probability, or (released code) its sigmoid."""
    fp16_deep_prompts: bool = False
    """Round deep prompts and their gradients to fp16, as the released code does."""
    use_prior: bool = True
    """Adapt the prompts to the image (DAP); without, round 2 repeats round 1 (CAP alone)."""

    def __post_init__(self) -> None:
        self.check_types()
        for name in self.names():
            _check_number(name, getattr(self, name), minimum=0)
        for name in ("num_abnormality_prompts", "num_abnormal_tokens", "num_prior_patches"):
            _check_number(name, getattr(self, name), minimum=1)
        for name in ("num_normal_tokens", "prior_reduction"):
            _check_number(name, getattr(self, name), minimum=1)
        _check_number("blur_sigma", self.blur_sigma, minimum=0, maximum=MAX_BLUR_SIGMA)
        if self.temperature <= 0:
            raise ConfigError(f"temperature must be above 0, got {self.temperature}")
        _check_choice("prior_gather", self.prior_gather, ("top", "first"))
        _check_choice("image_focal_on", self.image_focal_on, ("probability", "sigmoid"))
        if self.deep_prompt_length > self.num_normal_tokens:
            # Deep prompts may replace normal tokens only, never the abnormal ones (METHOD 2).
            raise ConfigError(
                f"deep_prompt_length {self.deep_prompt_length} must not exceed "
                f"num_normal_tokens {self.num_normal_tokens}"
            )

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """Settings of a preset, ``paper`` or ``released``, with further changes."""
        _check_choice("preset", name, PRESETS)
        return cls.from_dict(_PRESET_SETTINGS[name] | changes, where="method settings")

    @property
    def preset_name(self) -> str:
        """The preset that these settings agree with, or ``custom``."""
        for name, values in _PRESET_SETTINGS.items():
            if all(getattr(self, key) == value for key, value in values.items()):
                return name
        return "custom"


@dataclass(frozen=True, kw_only=True, slots=True)
class LossConfig(Settings):
    """Weights and constants of the training loss."""

    local_weight: float = 1.0
    """Weight of the local loss of round 1."""
    adapted_local_weight: float = 0.5
    """Weight of the local loss of round 2."""
    image_ce_weight: float = 1.0
    """Weight of the cross entropy of the image logits of round 2."""
    image_focal_weight: float = 1.0
    """Weight of the binary focal loss of the image score."""
    orthogonality_weight: float = 0.1
    """Weight of the orthogonality loss between the abnormality prompts."""
    prior_weight: float = 1.0
    """Weight of the prior loss on normal images."""
    focal_gamma: float = 2.0
    """Exponent of both focal losses."""
    focal_smoothing: float = 1e-5
    """One-hot targets are clamped to [smoothing, 1 - smoothing]; also added to pt."""
    dice_smoothing: float = 1.0
    """Added to numerator and denominator of the dice loss."""

    def __post_init__(self) -> None:
        self.check_types()
        for name in self.names():
            _check_number(name, getattr(self, name), minimum=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig(Settings):
    """How prompts are learned (METHOD section 5)."""

    epochs: int = 15
    """Passes over the auxiliary data; 15 in the released script, 10 by its default."""
    batch_size: int = 8
    """Images per step."""
    learning_rate: float = 1e-3
    """Of Adam, without schedule."""
    beta1: float = 0.5
    """First moment's decay."""
    beta2: float = 0.999
    """Second moment's decay."""
    weight_decay: float = 0.0
    """Of Adam."""
    seed: int = 111
    """Of the learnable tensors' start, the shuffling and the held-out split."""
    select: str = "heldout"
    """``heldout``: a part of the source data chooses the epoch; ``fixed:N``: all data, epoch N."""
    heldout_fraction: float = 0.2
    """Share of the source data (of its classes, where it has several) that is held out."""
    input_size: int | None = None
    """Side of the square input in pixels; None is the backbone's default."""

    def __post_init__(self) -> None:
        self.check_types()
        for name in ("epochs", "batch_size", "input_size"):
            _check_number(name, getattr(self, name), minimum=1)
        _check_number("input_size", self.input_size, minimum=1, maximum=MAX_INPUT_SIZE)
        for name in ("learning_rate", "beta1", "beta2", "weight_decay", "seed"):
            _check_number(name, getattr(self, name), minimum=0)
        if not 0 < self.heldout_fraction < 1:
            raise ConfigError(
                f"heldout_fraction must lie between 0 and 1, got {self.heldout_fraction}"
            )
        epoch = self.fixed_epoch
        if epoch is not None and not 1 <= epoch <= self.epochs:
            raise ConfigError(f"select fixed:{epoch} needs an epoch from 1 to {self.epochs}")

    @property
    def fixed_epoch(self) -> int | None:
        """N of ``fixed:N``, None for ``heldout``."""
        if self.select == "heldout":
            return None
        head, _, number = self.select.partition(":")
        if head != "fixed" or not number.isdecimal():
            raise ConfigError(f"select must be 'heldout' or 'fixed:N', got {short(self.select)}")
        return int(number)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainSettings:
    """Everything that decides what a training run learns."""

    method: MethodConfig
    loss: LossConfig
    training: TrainingConfig


def train_settings(
    values: Mapping[str, Any], *, preset: str | None = None, where: str = "settings"
) -> TrainSettings:
    """Sort flat settings to their owners; unknown names are refused with the nearest one.

    Args:
        values: Name to value, as from a TOML file or from options; ``preset`` may be among them.
        preset: Overrides the preset in ``values``.
        where: Named in errors.
    """
    owners = (MethodConfig, LossConfig, TrainingConfig)
    refuse_unknown(values, ["preset", *(n for o in owners for n in o.names())], where=where)
    method, loss, training = (
        {k: v for k, v in values.items() if k in owner.names()} for owner in owners
    )
    return TrainSettings(
        method=MethodConfig.preset(preset or values.get("preset", "paper"), **method),
        loss=LossConfig.from_dict(loss, where=where),
        training=TrainingConfig.from_dict(training, where=where),
    )


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file of settings.

    Raises:
        ConfigError: the file cannot be read or is not TOML; the message names it.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not a readable TOML file ({error})") from None


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Read settings written as NAME=VALUE, with VALUE as in TOML; bare words are texts.

    Example:
        >>> parse_assignments(["epochs=3", "select=fixed:2"])
        {'epochs': 3, 'select': 'fixed:2'}
    """
    values: dict[str, Any] = {}
    for text in assignments:
        name, sign, value = text.partition("=")
        if not sign:
            raise ConfigError(f"--set {short(text)}: needed is NAME=VALUE")
        try:
            values[name.strip()] = tomllib.loads(f"x = {value}")["x"]
        except (ValueError, RecursionError):
            values[name.strip()] = value.strip()
    return values


def refuse_unknown(values: Iterable[str], known: Iterable[str], *, where: str) -> None:
    """Raise a ConfigError with the nearest known name for the first unknown one."""
    names = list(known)
    for key in values:
        if key not in names:
            near = get_close_matches(str(key)[:SHOWN], names, n=1, cutoff=0.0)[0]
            raise ConfigError(f"{where}: unknown setting {short(key)}; did you mean {near!r}?")


_KIND_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    NoneType: "nothing",
}


def _kinds(annotation: Any) -> tuple[type, ...]:
    """The types that values of an annotation have; whole numbers are numbers, too."""
    if get_origin(annotation) is Literal:
        return (str,)
    if get_origin(annotation) is UnionType:
        return tuple(get_args(annotation))
    return (float, int) if annotation is float else (annotation,)


def _check_number(
    name: str, value: object, *, minimum: float, maximum: float = sys.float_info.max
) -> None:
    if not isinstance(value, int | float):
        return
    if not minimum <= value <= maximum:  # false for NaN, too
        bound = f"at least {minimum}" if not value > maximum else f"at most {maximum:g}"
        raise ConfigError(f"{name} must be {bound}, got {short(value)}")


def short(value: object) -> str:
    """A value as errors show it: not longer than it takes to recognise it."""
    try:
        text = _SHORT.repr(value)
    except (RecursionError, ValueError):  # nested without end, or more digits than are printed
        return f"a {type(value).__name__}"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}; got {short(value)}")
