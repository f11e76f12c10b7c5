"""Plans: which methods learn from which sets and are asked about which others."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import util
from importlib.resources import files
from pathlib import Path
from typing import Any

from faprompt.config import refuse_unknown, short, train_settings
from faprompt.errors import ConfigError
from faprompt.files import expanded
from faprompt.protocol.published import SOURCES

SHIPPED = ("heldout.yaml", "paper.yaml", "small.yaml", "tiny.yaml")
LARGEST = sys.float_info.max
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)\}")
_GIVEN = ("seed", "input_size", "blur_sigma")
"""Training settings that a plan says elsewhere."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSpec:
    """A data set as a plan names it; it need not be on this machine."""

    name: str
    """In tables; published figures are found by it."""
    spec: str
    """PATH or LAYOUT:PATH, with variables replaced."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Transfer:
    """Auxiliary sets to learn from, and targets never seen by it."""

    auxiliary: tuple[DataSpec, ...]
    targets: tuple[DataSpec, ...]

    @property
    def name(self) -> str:
        """Names of the auxiliary sets."""
        return " + ".join(data.name for data in self.auxiliary)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A whole comparison."""

    name: str
    backbone: str
    methods: tuple[str, ...]
    transfers: tuple[Transfer, ...]
    weights: str | None = None
    """File, folder or hub id of the backbone's weights; None: its own."""
    input_size: int | None = None
    """Side of the input in pixels; None: the backbone's."""
    blur_sigma: float = 10.0
    """Of the maps' Gaussian blur in pixels, for every method."""
    seeds: tuple[int, ...] = (111, 112, 113)
    """Of the methods that learn."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Training settings by the names of docs/settings.md."""
    published: tuple[str, ...] = ()
    """Sources of published figures that are shown beside ours."""
    resamples: int = 1000
    """Of the bootstrap."""


_REQUIRED = ("backbone", "methods", "transfers")
_KEYS = tuple(name for name in Plan.__dataclass_fields__ if name != "name")


def load_plan(name: str) -> Plan:
    """Read a plan.

    Args:
        name: A YAML file, or one of ``SHIPPED``; a file of that name comes first.

    Raises:
        ConfigError: no such file, or something in it is wrong; the text names file and key.
    """
    path = expanded(name)
    if path.is_file():
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: not a readable plan ({error})") from None
    elif name in SHIPPED:
        text = files("faprompt.protocol").joinpath("plans", name).read_text(encoding="utf-8")
    else:
        raise ConfigError(
            f"{name}: no such plan; needed is a YAML file or one of {', '.join(SHIPPED)}"
        )
    return parse_plan(text, where=name)


def parse_plan(text: str, *, where: str) -> Plan:
    """Read a plan from its text; ``where`` is named in errors.

    Raises:
        ConfigError: as :func:`load_plan`.
    """
    values = _yaml(text, where)
    refuse_unknown(values, _KEYS, where=where)
    if absent := [key for key in _REQUIRED if not values.get(key)]:
        raise ConfigError(f"{where}: {absent[0]}: missing; a plan needs {', '.join(_REQUIRED)}")
    plan = Plan(
        name=Path(where).stem,
        backbone=_typed(values["backbone"], str, f"{where}: backbone"),
        weights=_weights(values.get("weights"), f"{where}: weights"),
        input_size=_optional(values.get("input_size"), int, f"{where}: input_size"),
        blur_sigma=float(_typed(values.get("blur_sigma", 10.0), float, f"{where}: blur_sigma")),
        methods=tuple(_list(values["methods"], str, f"{where}: methods")),
        seeds=tuple(_list(values.get("seeds", [111, 112, 113]), int, f"{where}: seeds")),
        training=_typed(values.get("training") or {}, dict, f"{where}: training"),
        transfers=_transfers(values["transfers"], f"{where}: transfers"),
        published=_published(values.get("published", []), f"{where}: published"),
        resamples=_typed(values.get("resamples", 1000), int, f"{where}: resamples"),
    )
    _check(plan, where)
    return plan


def _check(plan: Plan, where: str) -> None:
    """What needs more than one key, or the names of others."""
    from faprompt.clip.registry import get_spec
    from faprompt.protocol.methods import get_method

    for key, check in (
        ("backbone", lambda: get_spec(plan.backbone)),
        ("methods", lambda: [get_method(name) for name in plan.methods]),
        ("training", lambda: _check_training(plan)),
    ):
        try:
            check()
        except ConfigError as error:
            raise ConfigError(f"{where}: {key}: {error}") from None
    names = tuple(transfer.name for transfer in plan.transfers)
    unique = (("methods", plan.methods), ("seeds", plan.seeds), ("transfers", names))
    for key, values in unique:
        if len(set(values)) < len(values):
            raise ConfigError(f"{where}: {key}: something is named twice: {short(list(values))}")
    if plan.resamples < 100:
        raise ConfigError(f"{where}: resamples: must be at least 100, got {plan.resamples}")


def _check_training(plan: Plan) -> None:
    if given := [key for key in _GIVEN if key in plan.training]:
        other = "seeds" if given[0] == "seed" else given[0]
        raise ConfigError(f"{given[0]!r} does not belong here; write {other!r} in the plan itself")
    from faprompt.clip.registry import get_spec

    size = plan.input_size or get_spec(plan.backbone).default_size
    changes = {"seed": plan.seeds[0], "input_size": size, "blur_sigma": plan.blur_sigma}
    train_settings({**plan.training, **changes}, where="settings")


def _yaml(text: str, where: str) -> dict[str, Any]:
    # pyarrow is needed last, after hours: tell now
    if any(util.find_spec(package) is None for package in ("yaml", "pyarrow")):
        raise ConfigError(
            "plans need PyYAML and pyarrow; install them with: pip install 'faprompt[protocol]'"
        )
    import yaml

    try:
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # dates may be no dates
        raise ConfigError(f"{where}: not YAML ({' '.join(str(error).split())})") from None
    return dict(_typed(values, dict, where))


_WORDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    dict: "a mapping of names to values",
    list: "a list",
}


def _typed(value: Any, kind: type, where: str) -> Any:
    """The value, if it is of a kind; whole numbers are numbers, too."""
    kinds = (int, float) if kind is float else (kind,)
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise ConfigError(f"{where}: must be {_WORDS[kind]}, got {short(value)}")
    if isinstance(value, int | float) and kind is float and abs(value) > LARGEST:
        raise ConfigError(f"{where}: must be a number up to {LARGEST:.3g}, got {short(value)}")
    return value


def _optional(value: Any, kind: type, where: str) -> Any:
    return None if value is None else _typed(value, kind, where)


def _list(value: Any, kind: type, where: str) -> list[Any]:
    items = _typed(value, list, where)
    if not items:
        raise ConfigError(f"{where}: must not be empty")
    return [_typed(item, kind, f"{where}[{i}]") for i, item in enumerate(items)]


def _weights(value: Any, where: str) -> str | None:
    return None if value is None else filled_in(_typed(value, str, where), where)


def _published(value: Any, where: str) -> tuple[str, ...]:
    if value == "all":
        return tuple(SOURCES)
    items = _typed(value, list, where)
    refuse_unknown((_typed(i, str, where) for i in items), SOURCES, where=where)
    return tuple(items)


def _transfers(value: Any, where: str) -> tuple[Transfer, ...]:
    found = []
    for number, item in enumerate(_list(value, dict, where)):
        here = f"{where}[{number}]"
        refuse_unknown(item, ("auxiliary", "targets"), where=here)
        sides = {}
        for key in ("auxiliary", "targets"):
            if key not in item:
                raise ConfigError(f"{here}: {key}: missing; a transfer needs auxiliary and targets")
            sides[key] = _data(item[key], f"{here}.{key}")
        found.append(Transfer(**sides))
    return tuple(found)


def _data(items: Any, where: str) -> tuple[DataSpec, ...]:
    listed = _typed(items, list, where)
    if not listed:
        raise ConfigError(f"{where}: must not be empty")
    found = tuple(_one_set(item, f"{where}[{i}]") for i, item in enumerate(listed))
    names: Sequence[str] = [data.name for data in found]
    if len(set(names)) < len(names):
        raise ConfigError(f"{where}: two sets have the same name: {', '.join(names)}")
    return found


def _one_set(item: Any, where: str) -> DataSpec:
    """``PATH``, ``LAYOUT:PATH``, or a mapping with ``name`` and ``data``."""
    if isinstance(item, str):
        spec = filled_in(item, where)
        return DataSpec(name=Path(spec.rpartition(":")[2]).stem or spec, spec=spec)
    values = _typed(item, dict, where)
    refuse_unknown(values, ("name", "data"), where=where)
    if absent := {"name", "data"} - set(values):
        raise ConfigError(f"{where}: {min(absent)}: missing; a set needs name and data")
    spec = filled_in(_typed(values["data"], str, f"{where}.data"), f"{where}.data")
    return DataSpec(name=_typed(values["name"], str, f"{where}.name"), spec=spec)


def filled_in(text: str, where: str) -> str:
    """Replace ``${NAME}`` by the environment's value.

    Raises:
        ConfigError: the variable is not set; the text says where it was asked for.
    """
    for match in _VARIABLE.finditer(text):
        if not os.environ.get(match["name"]):
            raise ConfigError(f"{where}: {match['name']} is not set; export {match['name']}=...")
    return _VARIABLE.sub(lambda match: os.environ[match["name"]], text)
