"""Where and in which precision the towers run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from faprompt.errors import ConfigError

Precision = Literal["auto", "fp32", "bf16"]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Compute:
    """A resolved device and precision."""

    device: torch.device
    precision: str
    """``fp32`` or ``bf16``."""

    @property
    def dtype(self) -> torch.dtype:
        """Of the towers' weights; similarities, softmax and maps are fp32 in any case."""
        return DTYPES[self.precision]


def resolve(device: str = "auto", precision: str = "auto") -> Compute:
    """Turn ``auto`` into what this machine has.

    Args:
        device: ``auto`` (CUDA when there is one), ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``auto`` (bf16 where the processor or GPU accelerates it), ``fp32``, ``bf16``.

    Raises:
        ConfigError: an unknown name, or a device that this machine lacks.
    """
    if precision not in get_args(Precision):
        raise ConfigError(f"precision must be auto, fp32 or bf16, got {precision!r}")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device)
    except RuntimeError:
        raise ConfigError(f"device must be auto, cpu, cuda or cuda:N, got {device!r}") from None
    if found.type not in {"cpu", "cuda"}:
        raise ConfigError(f"device must be auto, cpu, cuda or cuda:N, got {device!r}")
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device {device!r} asked for, this machine has {torch.cuda.device_count()} CUDA "
            "devices: use --device cpu, or install a CUDA build of torch"
        )
    if precision == "auto":
        precision = "bf16" if accelerates_bf16(found) else "fp32"
    return Compute(device=found, precision=precision)


def precision_name(dtype: torch.dtype) -> str:
    """What ``--precision`` calls a type of numbers; others go by their own name."""
    names = {kind: name for name, kind in DTYPES.items()}
    return names.get(dtype, str(dtype).removeprefix("torch."))


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on a device; to a GPU through pinned memory, beside whatever it computes."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def to_host(*tensors: Tensor) -> Callable[[], tuple[Tensor, ...]]:
    """Begin to bring tensors to the CPU; what is returned waits until they are there.

    From a GPU they come into page-locked memory, right behind what computes them and before
    whatever is begun later: copy what is to be kept.
    """
    if tensors[0].device.type != "cuda":
        return lambda: tensors
    copies = tuple(tensor.to("cpu", non_blocking=True) for tensor in tensors)
    there = torch.cuda.Event()
    there.record(torch.cuda.current_stream(tensors[0].device))

    def wait() -> tuple[Tensor, ...]:
        there.synchronize()
        return copies

    return wait


def exact_convolutions(device: torch.device, dtype: torch.dtype) -> None:
    """Let the convolutions of a network in fp32 be fp32 on a GPU, from now on in this process.

    By default torch lets cuDNN round what they read to 10 bits (TF32); products it does not. Beside
    towers in bf16 that is precise enough, and twice as fast (docs/performance.md). The setting is
    the process's: it is never turned back, so that no later load makes an earlier one inexact.
    """
    if device.type == "cuda" and dtype == torch.float32:
        torch.backends.cudnn.allow_tf32 = False


def accelerates_bf16(device: torch.device) -> bool:
    """Whether bf16 matrix products are faster than fp32 ones there."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
