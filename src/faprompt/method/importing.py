"""A checkpoint of the released code as one of ours: settings from shapes, backbone compared."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from faprompt.clip.limits import check_plain
from faprompt.clip.safe_pickle import safe_load_pickle
from faprompt.clip.shapes import FLOATS
from faprompt.clip.weights import Backbone
from faprompt.config import MethodConfig
from faprompt.errors import CheckpointError, ConfigError
from faprompt.method.checkpoint import Header, library_versions
from faprompt.method.network import PromptLearner
from faprompt.method.prompts import prompt_ids
from faprompt.method.released import DEEP_NAME, FROZEN_PREFIXES, import_state

STATE_KEY = "prompt_learner"
COLOUR_LIMITS = (0.5, 1.0)
"""Without source data: colour where a pixel is more likely defective than not."""
_SHAPES = {
    "ctx_pos": ("1", "1", "E", "W"),
    "ctx_neg": ("1", "K", "E'", "W"),
    f"{DEEP_NAME}.0": ("N", "W"),
    "patch_meta_net.linear1.weight": ("H", "M * D"),
}
"""Released tensors that tell the settings, and what their dimensions mean."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What came out of a released checkpoint."""

    header: Header
    state: dict[str, Tensor]
    """Learnable tensors under our names."""
    dropped: list[str]
    """Released tensors that nothing uses."""
    compared: list[str]
    """Released copies of frozen values that agree with the backbone's."""


def import_released(
    path: Path,
    backbone: Backbone,
    *,
    preset: str = "released",
    input_size: int | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Imported:
    """Read ``{"prompt_learner": state_dict}`` and check it against a backbone.

    Args:
        path: A file of torch; nothing of it is run.
        backbone: The one that the prompts were learned on.
        preset: ``released``, or ``paper`` to use the prompts with the mended method.
        input_size: Side of the input in pixels; None is the backbone's default.
        changes: Method settings that tensors do not tell, such as ``blur_sigma``.

    Raises:
        WeightsError: the file is damaged or not plain tensors.
        CheckpointError: not such a checkpoint, or learned on another backbone.
        ConfigError: preset or settings are unknown or out of range.
    """
    released = read_released(path)
    config = deduce_config(
        released, backbone.spec.embed_dim, preset=preset, changes=changes or {}, path=path
    )
    spec = backbone.spec
    state, dropped = import_state(
        released,
        learner=PromptLearner(spec.embed_dim, spec.text.width, config),
        text_encoder=backbone.clip.text,
        prompts=(
            prompt_ids(spec.tokens, config, abnormal=False),
            prompt_ids(spec.tokens, config, abnormal=True),
        ),
        path=path,
    )
    header = Header(
        method=config,
        backbone=spec.name,
        backbone_checksum=backbone.checksum,
        input_size=input_size or spec.default_size,
        colour_limits=COLOUR_LIMITS,
        origin=f"imported from {path.name}",
        versions=library_versions(),
    )
    compared = sorted(name for name in released if name.startswith(FROZEN_PREFIXES))
    return Imported(header, state, dropped, compared)


def read_released(path: Path, *, method: str = "FAPrompt") -> dict[str, Tensor]:
    """Read ``{"prompt_learner": state_dict}`` of a method's released code; nothing of it is run.

    Raises:
        WeightsError: the file is damaged or not plain tensors.
        CheckpointError: it is missing, or not such a checkpoint.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; needed is a .pth file of the released code")
    content = safe_load_pickle(path)
    released = content.get(STATE_KEY)
    if not isinstance(released, Mapping):
        keys = ", ".join(map(repr, list(content)[:5])) or "nothing"
        raise CheckpointError(
            f"{path}: not a released {method} checkpoint: it holds {keys}; needed is "
            f"{STATE_KEY!r} with a state dict"
        )
    for name, tensor in released.items():
        if not isinstance(tensor, Tensor):
            raise CheckpointError(f"{path}: {name} is a {type(tensor).__name__}, not a tensor")
        check_plain(str(name), tensor, path)
        if tensor.dtype not in {*FLOATS, torch.int64, torch.int32}:
            raise CheckpointError(f"{path}: {name} has type {tensor.dtype}, not one of weights")
        if not bool(tensor.isfinite().all()):
            raise CheckpointError(f"{path}: {name} holds values that are not finite: damaged")
    return dict(released)


def deduce_config(
    released: Mapping[str, Tensor],
    embed_dim: int,
    *,
    preset: str,
    changes: Mapping[str, Any],
    path: Path,
) -> MethodConfig:
    """Method settings of released tensors: K, E, E', deep prompts, M and the reduction by shape.

    Args:
        released: The state as it was saved.
        embed_dim: D, the backbone's joint width.
        preset: For what shapes do not tell.
        changes: Further settings.
        path: Named in errors.

    Raises:
        CheckpointError: a tensor is missing or of other dimensions, or D does not fit.
        ConfigError: preset or changes are unknown or out of range.
    """
    sizes = {name: _dimensions(released, name, path) for name in _SHAPES}
    hidden, width = sizes["patch_meta_net.linear1.weight"]
    if width % embed_dim or hidden < 1 or width // hidden < 1:
        raise CheckpointError(
            f"{path}: patch_meta_net.linear1 reads {width} values, which is not a number of "
            f"patches {embed_dim} wide: the prompts were learned on another backbone; name it "
            "with --backbone"
        )
    found = {
        "num_normal_tokens": sizes["ctx_pos"][2],
        "num_abnormality_prompts": sizes["ctx_neg"][1],
        "num_abnormal_tokens": sizes["ctx_neg"][2],
        "num_deep_prompts": sum(name.startswith(f"{DEEP_NAME}.") for name in released),
        "deep_prompt_length": sizes[f"{DEEP_NAME}.0"][0],
        "num_prior_patches": width // embed_dim,
        "prior_reduction": width // hidden,
    }
    if twice := found.keys() & changes.keys():
        raise ConfigError(f"{', '.join(sorted(twice))}: told by the tensors of {path}")
    return MethodConfig.preset(preset, **found, **changes)


def _dimensions(released: Mapping[str, Tensor], name: str, path: Path) -> tuple[int, ...]:
    if name not in released:
        raise CheckpointError(f"{path}: not a released FAPrompt checkpoint, no {name!r}")
    shape, meaning = tuple(released[name].shape), _SHAPES[name]
    if len(shape) != len(meaning):
        raise CheckpointError(f"{path}: {name} has shape {shape}, needed is ({', '.join(meaning)})")
    return shape
