"""Which kind of weight file this is, decided by its content, and its tensors."""

import hashlib
import zipfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from safetensors import SafetensorError, safe_open
from torch import Tensor

from faprompt.clip.limits import check_plain
from faprompt.clip.safe_pickle import load_torchscript, safe_load_pickle
from faprompt.errors import WeightsError, first_line

UNREADABLE = (SafetensorError, OSError, ValueError, KeyError, RuntimeError, TypeError)
"""What reading a damaged safetensors file raises, in safetensors and in torch."""
MAX_SAFETENSORS_HEADER = 100 * 2**20  # the format's own limit
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


class Tensors(Protocol):
    """The tensors of a file, each taken once."""

    def __iter__(self) -> Iterator[str]:
        """Their names in the file."""

    def pop(self, name: str, /) -> Tensor:
        """Take one; what it is taken from lets go of it."""


class StoredTensors:
    """The tensors of a safetensors file, each read when it is taken, into memory of its own.

    safetensors maps the whole file, and what was read of it stays resident until it is closed. So
    it is opened anew for every tensor: whoever converts them one after the other never holds more
    than one of them beside what was converted.

    Raises:
        WeightsError: the file is damaged; also when a tensor is taken.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with safe_open(path, framework="pt") as file:
                self._names = list(file.keys())
        except UNREADABLE as error:
            raise self._damaged(error) from error

    def __iter__(self) -> Iterator[str]:
        """Their names in the file."""
        return iter(self._names)

    def pop(self, name: str, /) -> Tensor:
        """Read one."""
        try:
            with safe_open(self.path, framework="pt") as file:
                tensor: Tensor = file.get_tensor(name).clone()
        except UNREADABLE as error:
            raise self._damaged(error) from error
        return tensor

    def _damaged(self, error: Exception) -> WeightsError:
        return WeightsError(
            f"{self.path}: damaged or cut short safetensors ({first_line(error)}). Get the file "
            "again"
        )


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a weight file of any supported container, under the file's own names.

    Raises:
        WeightsError: the file is damaged, refused, or holds no tensors.
    """
    tensors = open_tensors(path)
    return {name: tensors.pop(name) for name in list(tensors)}


def open_tensors(path: Path) -> Tensors:
    """The tensors of a weight file, read all at once only where its container asks for it.

    A state dict inside a training checkpoint is unwrapped and a ``module.`` prefix removed.

    Raises:
        WeightsError: the file is damaged, refused, or holds no tensors.
    """
    found = detect_format(path)
    if found is Format.TORCHSCRIPT:
        return load_torchscript(path)
    if found is Format.SAFETENSORS:
        return StoredTensors(path)
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
