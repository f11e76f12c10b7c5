"""Same seed, same result on the same machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel


@contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """Inside, the same steps give the same bits on the same machine.

    On a CPU they do so anyway; on a GPU some kernels add in whatever order threads finish.
    """
    if device.type == "cpu":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with sdpa_kernel(SDPBackend.MATH):  # others have no deterministic backward in fp32
            yield
    finally:
        torch.use_deterministic_algorithms(before)
