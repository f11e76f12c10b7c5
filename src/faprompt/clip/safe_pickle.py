"""Pickles of others, read without running what they say.

An ordinary unpickler imports and calls whatever the file names. Here a TorchScript archive's
``data.pkl`` may name tensors, ordered dicts and the archive's own classes (which become inert
bags of attributes), and nothing else; every other pickle goes through torch's ``weights_only``
reader.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from faprompt.clip.limits import check_plain, refuse_hungry, refuse_packed
from faprompt.errors import WeightsError, first_line

STORAGE_DTYPES = {
    "BFloat16Storage": torch.bfloat16,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "ShortStorage": torch.int16,
}
MAX_PICKLE_BYTES = 64 * 2**20  # OpenAI's largest data.pkl is far below one mebibyte


def safe_load_pickle(path: Path) -> dict[str, Any]:
    """Read a torch pickle (zip or legacy) that holds a dict, with ``weights_only``.

    Returns:
        The dict as it was saved, tensors on the CPU.

    Raises:
        WeightsError: the file is damaged, holds no dict, or names anything but tensors and
            plain containers (nothing of it is run).
    """
    try:
        refuse_packed(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except pickle.UnpicklingError as error:
        reason = first_line(error)
        raise WeightsError(
            f"{path}: refused, or damaged: this pickle is not plain tensors and containers "
            f"({reason}). Nothing of it was run. Needed: a state dict; save one with "
            "torch.save(model.state_dict(), path), or as safetensors"
        ) from error
    except Exception as error:  # damaged files fail in many ways inside torch
        raise WeightsError(
            f"{path}: damaged or cut short ({type(error).__name__}: {first_line(error)}). "
            "Get the file again"
        ) from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path}: holds a {type(content).__name__}; needed is a state dict")
    return content


def load_torchscript(path: Path) -> dict[str, Tensor]:
    """Read parameters and buffers of a TorchScript archive, by their dotted names.

    The archive is read as a zip file; its code is never looked at (``torch.jit.load`` would
    compile it).

    Raises:
        WeightsError: the archive is damaged, or its pickle names anything unexpected.
    """
    try:
        refuse_packed(path)
        with zipfile.ZipFile(path) as archive:
            reader = _Unpickler(archive, path)
            root = reader.load()
            if not isinstance(root, _Bag):
                raise WeightsError(f"{path}: the archive holds no module but {type(root).__name__}")
            tensors = {name: reader.tensor(found) for name, found in _collect(root)}
            for name, tensor in tensors.items():
                check_plain(name, tensor, path)
            return tensors
    except WeightsError:
        raise
    except Exception as error:  # zipfile, pickle and torch each have their own
        raise WeightsError(
            f"{path}: damaged TorchScript archive ({type(error).__name__}: {error}). "
            "Get the file again"
        ) from error


class _Storage(NamedTuple):
    """What a pickle says of one block of numbers; read only when a tensor needs it."""

    key: str
    dtype: torch.dtype
    length: int


class _Found(NamedTuple):
    """What a pickle says of one tensor. A record, so that the pickle cannot act on a tensor."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _Bag:
    """Stand-in for every class of an archive: attributes and no behaviour."""

    __slots__ = ("attributes",)

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError(f"module state is a {type(state).__name__}")
        self.attributes = state


def _collect(bag: _Bag, prefix: str = "") -> Iterator[tuple[str, _Found]]:
    for name, value in bag.attributes.items():
        if isinstance(value, _Found):
            yield f"{prefix}{name}", value
        elif isinstance(value, _Bag):
            yield from _collect(value, f"{prefix}{name}.")


class _Unpickler(pickle.Unpickler):
    """Read ``data.pkl`` of an archive by a list of what it may name."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        names = [n for n in archive.namelist() if n.count("/") == 1 and n.endswith("/data.pkl")]
        if len(names) != 1:
            raise WeightsError(f"{path}: {len(names)} data.pkl in the archive; needed is one")
        self.archive, self.path = archive, path
        self.folder = names[0].removesuffix("data.pkl")
        if archive.getinfo(names[0]).file_size > MAX_PICKLE_BYTES:
            raise WeightsError(f"{path}: refused: its data.pkl is larger than any model's")
        self._refuse_big_endian()
        self.storages: dict[str, Tensor] = {}
        self.room = path.stat().st_size  # records that overlap would read the same bytes often
        content = archive.read(names[0])
        refuse_hungry(content, path)
        super().__init__(io.BytesIO(content))

    def tensor(self, found: _Found) -> Tensor:
        """Read the numbers of one tensor of the pickle."""
        storage = found.storage
        if storage.key not in self.storages:
            data = bytearray(self._read(storage))
            empty = torch.empty(0, dtype=storage.dtype)
            self.storages[storage.key] = (
                torch.frombuffer(data, dtype=storage.dtype) if data else empty
            )
        # torch checks size, stride and offset against the storage
        return self.storages[storage.key].as_strided(found.size, found.stride, found.offset)

    def _read(self, storage: _Storage) -> bytes:
        record = f"{self.folder}data/{storage.key}"
        needed = storage.length * storage.dtype.itemsize
        found = self.archive.getinfo(record).file_size
        self.room -= found
        if self.room < 0:
            raise WeightsError(f"{self.path}: refused: its records overlap")
        if found != needed:
            raise WeightsError(f"{self.path}: {record} has {found} bytes; needed are {needed}")
        return self.archive.read(record)  # checks the record's CRC

    def _refuse_big_endian(self) -> None:
        record = f"{self.folder}byteorder"
        if record in self.archive.namelist() and self.archive.read(record) != b"little":
            raise WeightsError(f"{self.path}: written on a big-endian machine; not supported")

    def find_class(self, module: str, name: str) -> Any:
        """Resolve a name of the pickle to one of ours, or refuse the file."""
        if module == "torch" and name in STORAGE_DTYPES:
            return STORAGE_DTYPES[name]
        if module.partition(".")[0] == "__torch__":
            return _Bag
        allowed: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): self._found,
            ("torch._utils", "_rebuild_parameter"): self._first,
            ("torch.jit._pickle", "build_intlist"): self._first,
            ("torch.jit._pickle", "build_tensorlist"): self._first,
            ("torch.jit._pickle", "build_doublelist"): self._first,
            ("torch.jit._pickle", "build_boollist"): self._first,
            ("torch.jit._pickle", "build_tensor_from_id"): self._first,
            ("torch.jit._pickle", "restore_type_tag"): self._first,
        }
        if (module, name) in allowed:
            return allowed[module, name]
        raise WeightsError(
            f"{self.path}: refused: its pickle names {module}.{name}, which no weight file needs. "
            "Nothing of it was run"
        )

    def persistent_load(self, pid: Any) -> _Storage:
        """Note the storage that ``("storage", type, key, device, count)`` stands for."""
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError(f"unknown persistent id {kind!r}")
        return _Storage(str(key), dtype, int(count))

    @staticmethod
    def _found(
        storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
    ) -> _Found:
        if not isinstance(storage, _Storage):
            raise pickle.UnpicklingError(f"a tensor of {type(storage).__name__}")
        return _Found(storage, offset, size, stride)

    @staticmethod
    def _first(value: Any, *_: object) -> Any:
        return value
