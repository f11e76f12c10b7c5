"""Names and shapes that each backbone needs, and whether a state dict has them."""

from functools import lru_cache

import torch
from torch import Tensor

from faprompt.clip.model import Clip
from faprompt.clip.registry import REGISTRY, ClipSpec
from faprompt.errors import WeightsError

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


def fitting_specs(state: dict[str, Tensor]) -> list[str]:
    """Names of the registered backbones with exactly these tensors.

    Models that differ only in activation or normalisation are all listed.
    """
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    return [name for name in REGISTRY if _shapes_of_registered(name) == found]


def check_state(state: dict[str, Tensor], spec: ClipSpec, where: object) -> None:
    """Compare a state dict under canonical names with the network of ``spec``.

    Raises:
        WeightsError: a tensor is missing, unknown, of another shape, not of floating point or
            not finite; the text names the file, the tensor, what was found and expected.
    """
    expected = expected_shapes(spec)
    problem = _names_problem(state, expected) or _values_problem(state, expected)
    if problem is None:
        return
    fits = fitting_specs(state)
    advice = f"It fits {' or '.join(fits)}" if fits else "It fits no backbone of the registry"
    raise WeightsError(f"{where}: not the weights of {spec.name}: {problem}. {advice}")


def _names_problem(state: dict[str, Tensor], expected: dict[str, tuple[int, ...]]) -> str | None:
    problems = [
        f"{len(names)} tensors {kind} ({_some(names)})"
        for kind, names in (
            ("missing", sorted(expected.keys() - state.keys())),
            ("unknown", sorted(state.keys() - expected.keys())),
        )
        if names
    ]
    return " and ".join(problems) or None


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")


def _values_problem(state: dict[str, Tensor], expected: dict[str, tuple[int, ...]]) -> str | None:
    for name, shape in expected.items():
        tensor = state[name]
        if tuple(tensor.shape) != shape:
            return f"{name} has shape {tuple(tensor.shape)}, expected {shape}"
        if tensor.dtype not in FLOATS:
            return f"{name} has type {tensor.dtype}, expected floating point of 16 to 64 bits"
    for name in expected:
        if not bool(state[name].isfinite().all()):
            return f"{name} holds values that are not finite, so the file is damaged"
    return None
