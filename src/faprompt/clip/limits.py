"""Weight files that ask for more memory than they are long."""

import pickletools
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from faprompt.errors import WeightsError

_COUNTED = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
"""Instructions of a pickle with a place in a list that Python makes as long as they say."""
_ALLOCATING = frozenset({"BYTEARRAY8"})
"""Instructions that take memory before they look whether the file goes on."""


def refuse_packed(path: Path) -> None:
    """Refuse a zip file with compressed records, which may unpack to a thousand times as much.

    torch compresses nothing but the code of its archives, which nobody here reads. A file that is
    no zip passes.

    Raises:
        WeightsError: a record is compressed.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        for record in archive.infolist():
            stored = record.compress_type == zipfile.ZIP_STORED
            if not stored and "/code/" not in record.filename:
                raise WeightsError(
                    f"{path}: refused: its record {record.filename!r} is compressed, which torch "
                    "never does. Save the weights again with torch, or as safetensors"
                )


def refuse_hungry(content: bytes, path: Path) -> None:
    """Look through a pickle for instructions that take memory on a number's word; run none.

    Raises:
        WeightsError: there is one.
        ValueError: the pickle is damaged.
    """
    for instruction, value, _ in pickletools.genops(content):
        counted = instruction.name in _COUNTED and int(str(value)) > len(content)
        if counted or instruction.name in _ALLOCATING:
            raise WeightsError(
                f"{path}: refused: {instruction.name} in its pickle asks for memory that no "
                "weights need"
            )


def check_plain(name: str, tensor: Tensor, path: Path) -> None:
    """Refuse a tensor that is more than the numbers in its file.

    Args:
        name: Of the tensor.
        tensor: As a pickle described it.
        path: Named in the error.

    Raises:
        WeightsError: it is sparse, quantised or without numbers, or repeats few numbers so often
            that a copy of it would take any amount of memory.
    """
    plain = tensor.layout is torch.strided and not tensor.is_quantized
    if not plain or tensor.device.type != "cpu":
        kind = "quantised" if tensor.is_quantized else f"{tensor.layout} on {tensor.device.type}"
        raise WeightsError(f"{path}: {name} is {kind}; needed are plain tensors")
    held = tensor.untyped_storage().nbytes() // tensor.element_size()
    if tensor.numel() > held:
        raise WeightsError(
            f"{path}: refused: {name} claims {tensor.numel()} numbers, of which the file holds "
            f"{held}"
        )
