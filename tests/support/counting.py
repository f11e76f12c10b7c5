"""Speed as a count: how often a module ran, and on what."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def forward_calls(module: nn.Module) -> Iterator[list[torch.Size]]:
    """Record the input shape of every forward pass of ``module``."""
    shapes: list[torch.Size] = []
    hook = module.register_forward_pre_hook(lambda _, args: shapes.append(args[0].shape))
    try:
        yield shapes
    finally:
        hook.remove()  # a hook left behind slows every later call
