"""Names and shapes that each backbone needs, and whether a state dict has them."""

from collections.abc import Mapping, Set
from functools import lru_cache

import torch
from torch import Tensor

from faprompt.clip.model import Clip
from faprompt.clip.registry import REGISTRY, ClipSpec

FLOATS = frozenset({torch.float64, torch.float32, torch.float16, torch.bfloat16})
"""Types of numbers that weights may have; others need scales that lie elsewhere."""
NAMES_SHOWN = 3  # of a long list, in messages


def empty_clip(spec: ClipSpec) -> Clip:
    """Build the network without memory for its parameters (on torch's meta device)."""
    with torch.device("meta"):
        return Clip(spec)


@lru_cache
def _shapes_of_registered(name: str) -> dict[str, tuple[int, ...]]:
    return expected_shapes(REGISTRY[name])


def expected_shapes(spec: ClipSpec) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor of the network of ``spec``, by canonical name."""
    return {name: tuple(t.shape) for name, t in empty_clip(spec).state_dict().items()}


def fitting_specs(found: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Names of the registered backbones whose tensors have exactly these shapes.

    Models that differ only in activation or normalisation are all listed.
    """
    return [name for name in REGISTRY if _shapes_of_registered(name) == found]


def names_problem(found: Set[str], expected: Set[str]) -> str | None:
    """What is wrong with the canonical names in a file, in words; None: nothing."""
    problems = [
        f"{len(names)} tensors {kind} ({_some(names)})"
        for kind, names in (
            ("missing", sorted(expected - found)),
            ("unknown", sorted(found - expected)),
        )
        if names
    ]
    return " and ".join(problems) or None


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")


def value_problem(name: str, tensor: Tensor, shape: tuple[int, ...]) -> str | None:
    """What is wrong with a tensor that should have a shape, in words; None: nothing."""
    if tuple(tensor.shape) != shape:
        return f"{name} has shape {tuple(tensor.shape)}, expected {shape}"
    if tensor.dtype not in FLOATS:
        return f"{name} has type {tensor.dtype}, expected floating point of 16 to 64 bits"
    if not bool(tensor.isfinite().all()):
        return f"{name} holds values that are not finite, so the file is damaged"
    return None
