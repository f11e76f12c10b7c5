"""Which kind of weight file this is, decided by its content, and its tensors."""

import hashlib
import zipfile
from enum import StrEnum
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from faprompt.clip.limits import check_plain
from faprompt.clip.safe_pickle import load_torchscript, safe_load_pickle
from faprompt.errors import WeightsError, first_line

UNREADABLE = (SafetensorError, OSError, ValueError, KeyError, RuntimeError, TypeError)
"""What reading a damaged safetensors file raises, in safetensors and in torch."""
MAX_SAFETENSORS_HEADER = 100 * 2**20  # the format's own limit
OPENED_FOR = 16  # tensors
WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training programs put the state dict."""


class Format(StrEnum):
    """The container that a weight file is."""

    SAFETENSORS = "safetensors"
    TORCHSCRIPT = "TorchScript archive"
    PICKLE = "torch pickle"


def detect_format(path: Path) -> Format:
    """Tell a weight file's container from its first bytes; the name says nothing.

    Raises:
        WeightsError: the file cannot be read or is none of the three.
    """
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from error
    if head.startswith(b"PK\x03\x04"):
        return _zip_format(path)
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= MAX_SAFETENSORS_HEADER:
        return Format.SAFETENSORS
    if head[:1] == b"\x80" and head[1:2] in {b"\x02", b"\x03", b"\x04", b"\x05"}:
        return Format.PICKLE
    raise WeightsError(f"{path}: {_describe(head)}; needed: safetensors, a torch file or OpenAI's")


def _zip_format(path: Path) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception as error:  # damaged names and unknown versions have errors of their own
        raise WeightsError(f"{path}: damaged or cut short ({error}). Get the file again") from error
    if any(name.endswith("/constants.pkl") for name in names):
        return Format.TORCHSCRIPT
    if any(name.endswith("/data.pkl") for name in names):
        return Format.PICKLE
    raise WeightsError(f"{path}: a zip file, but not one of torch; needed: a weight file")


def _describe(head: bytes) -> str:
    if not head:
        return "an empty file"
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the weights it points to (run `git lfs pull`)"
    if head.lstrip()[:1] == b"<":
        return "a web page, not weights (the download went wrong)"
    return f"not a weight file (it starts with {head[:8]!r})"


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a weight file of any supported container, under the file's own names.

    A state dict inside a training checkpoint is unwrapped and a ``module.`` prefix removed.

    Raises:
        WeightsError: the file is damaged, refused, or holds no tensors.
    """
    found = detect_format(path)
    if found is Format.TORCHSCRIPT:
        return load_torchscript(path)
    if found is Format.SAFETENSORS:
        return _read_safetensors(path)
    content = safe_load_pickle(path)
    for key in WRAPPERS:
        if isinstance(content.get(key), dict):
            content = content[key]
            break
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    for name, tensor in tensors.items():
        check_plain(name, tensor, path)
    if not tensors:
        raise WeightsError(f"{path}: no tensors in it, only {_keys(content)}; needed: a state dict")
    if all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    return tensors


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a file, each with memory of its own.

    safetensors maps the whole file, and what was read of it stays resident until its last tensor
    is gone. So it is opened anew for every few tensors: whoever converts them one after the other
    never holds more than one copy of the weights.
    """
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
        tensors = {}
        for start in range(0, len(names), OPENED_FOR):
            with safe_open(path, framework="pt") as file:
                for name in names[start : start + OPENED_FOR]:
                    tensors[name] = file.get_tensor(name).clone()
        return tensors
    except UNREADABLE as error:
        raise WeightsError(
            f"{path}: damaged or cut short safetensors ({first_line(error)}). Get the file again"
        ) from error


def _keys(content: dict[str, Any]) -> str:
    names = [str(name) for name in content]
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "") or "nothing"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file as 64 hexadecimal digits.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from error
