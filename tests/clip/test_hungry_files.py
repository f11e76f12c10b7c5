"""Small files that ask for much: refused by name before any memory is taken."""

import copy
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from reference_clips import SPECS, save_archive, save_transformers
from safetensors.torch import load_file, save_file

from faprompt.clip.formats import read_tensors
from faprompt.clip.safe_pickle import load_torchscript
from faprompt.clip.weights import build_state, load_weights
from faprompt.errors import CheckpointError, WeightsError
from faprompt.method.importing import read_released

HUGE = 2**40


def archive(path: Path, pickled: bytes, *, packed: bool = False) -> Path:
    """A TorchScript archive around a pickle, with a storage of four floats."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as file:
        file.writestr("x/constants.pkl", b"\x80\x02).")
        file.writestr("x/data.pkl", pickled)
        file.writestr("x/data/0", bytes(16))
    return path


def module(tensor: bytes) -> bytes:
    """A pickle of a module with one tensor."""
    return b"\x80\x02c__torch__\nM\n)\x81}X\x0b\x00\x00\x00visual.proj" + tensor + b"sb."


STORAGE = (
    b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ"
)
REPEATED = (
    b"ctorch._utils\n_rebuild_tensor_v2\n("
    + STORAGE
    + b"K\x00"
    + b"J\xff\xff\xff\x7f\x85K\x00\x85\x89ccollections\nOrderedDict\n)RtR"
)
"""Two thousand million times the same number, by a stride of zero."""


@pytest.mark.parametrize(
    ("pickled", "packed", "text"),
    [
        (b"\x80\x02}r\xff\xff\xff\x7f.", False, "LONG_BINPUT in its pickle asks for memory"),
        (b"\x80\x02}p2147483647\n.", False, "PUT in its pickle asks for memory"),
        (b"\x80\x05\x96" + struct.pack("<Q", HUGE) + b".", False, "damaged TorchScript archive"),
        (b"\x80\x05\x96" + bytes(8) + b".", False, "BYTEARRAY8 in its pickle asks for memory"),
        (module(REPEATED), False, "visual.proj claims 2147483647 numbers, .* the file holds 4"),
        (b"\x80\x02}.", True, r"its record 'x/constants\.pkl' is compressed"),
    ],
)
def test_an_archive_asks_for_no_more_than_it_holds(
    pickled: bytes, packed: bool, text: str, tmp_path: Path
) -> None:
    path = archive(tmp_path / "a.pt", pickled, packed=packed)
    with pytest.raises(WeightsError, match=rf"a\.pt: .*{text}"):
        load_torchscript(path)


def test_records_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save_archive({f"visual.{i}": torch.randn(4000) for i in range(9)}, path)
    honest = load_torchscript(path)
    assert len(honest) == 9
    with zipfile.ZipFile(path) as old:
        records = {name: old.read(name) for name in old.namelist()}
    first = next(name for name in records if name.endswith("/data/0"))
    with zipfile.ZipFile(path, "w") as new:
        for name, data in records.items():
            if "/data/" not in name or name == first:
                new.writestr(name, data)
        for name in records.keys() - new.NameToInfo.keys():
            entry = copy.copy(new.getinfo(first))
            entry.filename = entry.orig_filename = name
            new.filelist.append(entry)  # another name for the same bytes
    assert path.stat().st_size < 5 * 16_000
    with pytest.raises(WeightsError, match=r"a\.pt: (refused: its records overlap|damaged)"):
        load_torchscript(path)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: torch.zeros(1).expand(2**40), f"claims {HUGE} numbers, of which the file holds 1"),
        (
            lambda: torch.eye(3).to_sparse(),
            r"is torch\.sparse_coo on cpu; needed are plain tensors",
        ),
    ],
)
@pytest.mark.parametrize("new", [True, False])
@pytest.mark.filterwarnings("ignore")
def test_tensors_that_are_more_than_their_numbers_are_refused(
    make: Callable[[], torch.Tensor], text: str, new: bool, tmp_path: Path
) -> None:
    state = {"visual.proj": make()}
    torch.save(state, tmp_path / "w.pt", _use_new_zipfile_serialization=new)
    with pytest.raises(WeightsError, match=rf"w\.pt: .*visual\.proj {text}"):
        read_tensors(tmp_path / "w.pt")
    released = {"prompt_learner": {"ctx_pos": state["visual.proj"]}}
    torch.save(released, tmp_path / "r.pth", _use_new_zipfile_serialization=new)
    with pytest.raises(WeightsError, match=rf"r\.pth: .*ctx_pos {text}"):
        read_released(tmp_path / "r.pth")


def test_a_packed_pickle_is_refused_before_torch_unpacks_it(tmp_path: Path) -> None:
    torch.save({"visual.proj": torch.zeros(10**6)}, tmp_path / "big.pt")
    with (
        zipfile.ZipFile(tmp_path / "big.pt") as old,
        zipfile.ZipFile(tmp_path / "w.pt", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert (tmp_path / "w.pt").stat().st_size < 10_000
    with pytest.raises(WeightsError, match=r"w\.pt: refused: its record .* is compressed"):
        read_tensors(tmp_path / "w.pt")


@pytest.mark.parametrize(
    "header",
    [
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 10**8) + b"{}",
        struct.pack("<Q", 10**7) + b"{" + b" " * 100,
        struct.pack("<Q", 2) + b"{}",
    ],
)
def test_a_header_longer_than_its_file_is_refused(header: bytes, tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(header)
    with pytest.raises(WeightsError, match=r"w\.safetensors: "):
        load_weights(tmp_path / "w.safetensors", SPECS["quick"])


@pytest.mark.parametrize("shape", [[2**40], [2**62, 4], [-1], [2**63, 2**63]])
def test_a_table_that_claims_more_than_the_file_is_refused(
    shape: list[int], tmp_path: Path
) -> None:
    table = {"visual.proj": {"dtype": "F32", "shape": shape, "data_offsets": [0, 4]}}
    text = json.dumps(table).encode()
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
    with pytest.raises(WeightsError, match=r"w\.safetensors: "):
        read_tensors(tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    "dtype",
    [torch.float8_e4m3fn, torch.float8_e5m2, torch.int8, torch.bool, torch.complex64],
)
def test_numbers_of_other_types_are_named(dtype: torch.dtype, tmp_path: Path) -> None:
    folder = save_transformers("quick", tmp_path)
    state = load_file(folder / "model.safetensors")
    state["logit_scale"] = torch.ones(()).to(dtype)
    save_file(state, folder / "model.safetensors")
    expected = rf"logit_scale has type {dtype}, expected floating point of 16 to 64 bits"
    with pytest.raises(WeightsError, match=expected):
        build_state(folder, SPECS["quick"])


def test_a_released_checkpoint_of_scaled_numbers_is_refused(tmp_path: Path) -> None:
    learner = {"ctx_pos": torch.zeros(2).to(torch.float8_e5m2)}
    torch.save({"prompt_learner": learner}, tmp_path / "r.pth")
    with pytest.raises(CheckpointError, match=r"r\.pth: ctx_pos has type torch\.float8_e5m2"):
        read_released(tmp_path / "r.pth")


def test_a_pickle_in_the_clothes_of_safetensors_is_not_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
            return open, (str(tmp_path / "ran"), "w")

    buffer = io.BytesIO()
    pickle.dump(Bomb(), buffer)
    for name in ("model.safetensors", "x.safetensors"):
        (tmp_path / name).write_bytes(buffer.getvalue())
        with pytest.raises(WeightsError, match=rf"{name}: (refused, or )?damaged"):
            load_weights(tmp_path / name, SPECS["quick"])
    assert not (tmp_path / "ran").exists()
