"""What a run needs to know of the device it computes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


def on_cpu(state: Any) -> Any:
    """A state with its tensors on the CPU: one made on a GPU goes on, and ships, without one."""
    if isinstance(state, dict):
        return {key: on_cpu(value) for key, value in state.items()}
    if isinstance(state, list):
        return [on_cpu(value) for value in state]
    return state.cpu() if isinstance(state, Tensor) else state


@contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """Compute in a stream that starts after what was asked of the device so far; on a CPU as ever.

    Drawing is thousands of small kernels, learning a few large ones: side by side they fill a GPU.
    """
    if device.type != "cuda":
        yield
        return
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.default_stream(device))
    with torch.cuda.stream(stream):
        yield
    stream.synchronize()
