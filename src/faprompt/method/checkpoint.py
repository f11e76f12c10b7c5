"""The checkpoint: learnable tensors and a header in one safetensors file.

It lies in ``method`` because training writes it, detection reads it, and neither imports the other.
"""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from faprompt.clip.formats import UNREADABLE
from faprompt.clip.shapes import FLOATS
from faprompt.clip.weights import Backbone
from faprompt.config import (
    MAX_INPUT_SIZE,
    LossConfig,
    MethodConfig,
    TrainingConfig,
    refuse_unknown,
)
from faprompt.errors import CheckpointError, ConfigError, first_line
from faprompt.files import parse_json, write_tensors
from faprompt.method.network import FAPrompt, PromptLearner
from faprompt.method.released import check_shapes

FORMAT = "faprompt-prompts"
FORMAT_VERSION = 1
HEADER_KEY = "faprompt"
CHECKSUM = "sha256"
"""In the header, of its other values and the tensors, so that a flipped bit is seen; older
checkpoints lack it. A second entry of the file's metadata would come in no certain order."""
FAPROMPT = "faprompt"
"""``Header.network`` of FAPrompt; rivals of the comparison have names of their own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """What a checkpoint tells of itself."""

    method: MethodConfig
    network: str = FAPROMPT
    """Which network the tensors belong to; older checkpoints, all of FAPrompt, do not say."""
    loss: LossConfig = field(default_factory=LossConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    backbone: str
    """Registry name."""
    backbone_checksum: str
    input_size: int
    """Side of the square input in pixels."""
    epoch: int = 0
    """Epochs trained; 0 for imported prompts."""
    data: tuple[dict[str, Any], ...] = ()
    """Training sets: name, layout, classes, counts and content hash."""
    metrics: dict[str, Any] = field(default_factory=dict)
    """Source figures of this epoch, and the rule that chose it."""
    colour_limits: tuple[float, float] = (0.0, 1.0)
    """Anomaly values at which the heat map's colour starts and is full."""
    origin: str = "trained"
    """In words: trained, or imported from which file."""
    versions: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """The header as it is stored."""
        values = asdict(self) | {"format": FORMAT, "format_version": FORMAT_VERSION}
        return json.dumps(values | {"preset": self.method.preset_name}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, *, path: Path) -> "Header":
        """Read a stored header.

        Raises:
            CheckpointError: not a header of this format.
        """
        try:
            values = parse_json(text)
            if values.pop("format") != FORMAT:
                raise KeyError("format")
            found = values.pop("format_version")
            if found != FORMAT_VERSION:
                raise CheckpointError(
                    f"{path}: format version {found}, this release reads {FORMAT_VERSION}: "
                    "update faprompt"
                )
            values.pop("preset")
            values.pop(CHECKSUM, None)  # compared by whoever has the tensors
            for name, owner in (
                ("method", MethodConfig),
                ("loss", LossConfig),
                ("training", TrainingConfig),
            ):
                values[name] = owner.from_dict(values[name], where=f"{path}: {name}")
            refuse_unknown(values, cls.__dataclass_fields__, where=str(path))
            _check_types(values)
            low, high = map(float, values["colour_limits"])
            values |= {"colour_limits": (low, high), "data": tuple(values["data"])}
            return cls(**values)
        except ConfigError as error:
            raise CheckpointError(f"{path}: {error}") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CheckpointError(f"{path}: damaged header ({error!r})") from None


def _check_types(values: Mapping[str, Any]) -> None:
    """Raise a TypeError where a stored value cannot be what its field is."""
    kinds = {
        "backbone": str, "backbone_checksum": str, "origin": str, "network": str,
        "input_size": int, "epoch": int,
        "metrics": dict, "versions": dict, "colour_limits": list, "data": list,
    }  # fmt: skip
    for name, kind in kinds.items():
        if name in values and not isinstance(values[name], kind):
            raise TypeError(f"{name} is a {type(values[name]).__name__}")
    if not 1 <= values["input_size"] <= MAX_INPUT_SIZE:
        raise ValueError(f"input_size is {values['input_size']}")


def library_versions() -> dict[str, str]:
    """Versions of what decides results."""
    names = ("faprompt", "torch", "numpy", "pillow")
    return {"python": platform.python_version()} | {name: version(name) for name in names}


def save_checkpoint(path: Path, learner: Mapping[str, Tensor], header: Header) -> None:
    """Write learnable tensors (fp32) and header, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    tensors = {name: tensor.float() for name, tensor in learner.items()}
    text = header.to_json()
    values = json.loads(text) | {CHECKSUM: _checksum(text, tensors)}
    write_tensors(path, tensors, metadata={HEADER_KEY: json.dumps(values, sort_keys=True)})


def _checksum(header: str, tensors: Mapping[str, Tensor]) -> str:
    digest = sha256(header.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_checkpoint(path: Path) -> tuple[Header, dict[str, Tensor]]:
    """Read a checkpoint without building anything.

    Raises:
        CheckpointError: missing, damaged, or not a checkpoint of this library.
    """
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no such file; needed is a checkpoint written by `faprompt train` or "
            "`faprompt import-checkpoint`"
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except UNREADABLE as error:
        raise CheckpointError(
            f"{path}: not a readable safetensors file ({first_line(error)}). A .pth file of the "
            "released code is converted by `faprompt import-checkpoint`."
        ) from None
    header = metadata.get(HEADER_KEY)
    if header is None:
        raise CheckpointError(
            f"{path}: a safetensors file, but not learned prompts (no {HEADER_KEY!r} header). "
            "Backbone weights go to --weights."
        )
    found = Header.from_json(header, path=path)
    values = json.loads(header)
    stored = values.pop(CHECKSUM, None)
    if stored is not None and stored != _checksum(json.dumps(values, sort_keys=True), state):
        raise CheckpointError(
            f"{path}: damaged: its content is not what was written (the checksum in its header "
            "differs); copy it again"
        )
    return found, state


def build_network(
    header: Header, state: Mapping[str, Tensor], backbone: Backbone, *, path: Path
) -> FAPrompt:
    """Put a checkpoint's prompts on the backbone that they were learned on.

    Raises:
        CheckpointError: another backbone or network, or tensors of other shapes.
    """
    check_owner(header, backbone, network=FAPROMPT, path=path)
    _check_size(header, state, backbone, path=path)
    network = FAPrompt(backbone.clip, header.method)
    fill_learner(network.learner, state, path=path)
    return network.to(backbone.clip.logit_scale.device).eval().requires_grad_(False)


def _check_size(
    header: Header, state: Mapping[str, Tensor], backbone: Backbone, *, path: Path
) -> None:
    """Compare shapes before memory is taken: a header may claim a network of any size."""
    spec = backbone.spec
    try:
        with torch.device("meta"):
            learner = PromptLearner(spec.embed_dim, spec.text.width, header.method)
    except (RuntimeError, OverflowError, TypeError) as error:
        raise CheckpointError(f"{path}: settings of no possible network ({error})") from None
    check_shapes(state, learner.state_dict(), path=path)


def check_owner(header: Header, backbone: Backbone, *, network: str, path: Path) -> None:
    """Refuse a checkpoint of another network, or of another backbone.

    Raises:
        CheckpointError: it is; both are named.
    """
    if header.network != network:
        raise CheckpointError(
            f"{path}: learned by {header.network!r}, needed is a checkpoint of {network!r}"
        )
    if header.backbone != backbone.spec.name:
        raise CheckpointError(
            f"{path}: prompts were learned on {header.backbone}, the backbone given is "
            f"{backbone.spec.name}"
        )
    if header.backbone_checksum != backbone.checksum:
        raise CheckpointError(
            f"{path}: prompts were learned on {header.backbone} with weights "
            f"{header.backbone_checksum[:12]}, the backbone given is {backbone.spec.name} with "
            f"weights {backbone.checksum[:12]} from {backbone.source}: give the same weights "
            "with --weights"
        )


def fill_learner(learner: nn.Module, state: Mapping[str, Tensor], *, path: Path) -> None:
    """Put a checkpoint's tensors into all that learns.

    Raises:
        CheckpointError: other names or shapes, or what is not a finite number.
    """
    check_shapes(state, learner.state_dict(), path=path)
    for name, tensor in state.items():
        if not (tensor.dtype in FLOATS and bool(tensor.isfinite().all())):
            raise CheckpointError(f"{path}: {name} holds what is not a finite number: damaged")
    learner.load_state_dict(dict(state))
