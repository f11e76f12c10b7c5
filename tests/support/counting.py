"""Speed as a count: how often a module ran, and on what."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode


@contextmanager
def forward_calls(module: nn.Module) -> Iterator[list[torch.Size]]:
    """Record the input shape of every forward pass of ``module``."""
    shapes: list[torch.Size] = []
    hook = module.register_forward_pre_hook(lambda _, args: shapes.append(args[0].shape))
    try:
        yield shapes
    finally:
        hook.remove()  # a hook left behind slows every later call


class Passes(TorchDispatchMode):
    """Counts operations inside the block whose result has at least so many elements."""

    def __init__(self, elements: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.elements = elements
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if torch.is_tensor(result) and result.numel() >= self.elements and not func.is_view:
            self.count += 1
        return result
