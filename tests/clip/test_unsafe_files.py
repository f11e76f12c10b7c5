"""Hostile and damaged files: nothing of them runs, and each ends in one clear WeightsError."""

import pickle
import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_clips import SPECS, openai_state, save_archive, save_transformers
from safetensors.torch import load_file, save_file

from faprompt.clip.formats import read_tensors
from faprompt.clip.safe_pickle import load_torchscript, safe_load_pickle
from faprompt.clip.weights import build_state, load_weights
from faprompt.errors import WeightsError

SPEC = SPECS["quick"]


class Bomb:
    """A pickle of it creates a file when it is read without care."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self.mark), "w")


def replace_record(archive: Path, suffix: str, content: bytes) -> None:
    with zipfile.ZipFile(archive) as old:
        records = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(archive, "w") as new:
        for name, data in records.items():
            new.writestr(name, content if name.endswith(suffix) else data)


def small_archive(path: Path) -> Path:
    return save_archive({"visual.proj": torch.randn(3, 2), "scale": torch.ones(())}, path)


def openai_archive(folder: Path, bomb: object) -> Path:
    archive = small_archive(folder / "ViT.pt")
    replace_record(archive, "/data.pkl", pickle.dumps(bomb, protocol=2))
    return archive


def openai_state_dict(folder: Path, bomb: object) -> Path:
    torch.save({"visual.proj": torch.zeros(1), "text_projection": bomb}, folder / "ViT.pt")
    return folder / "ViT.pt"


def legacy_pickle(folder: Path, bomb: object) -> Path:
    state = {"visual.proj": torch.zeros(1), "x": bomb}
    torch.save(state, folder / "old.pt", _use_new_zipfile_serialization=False)
    return folder / "old.pt"


def plain_pickle(folder: Path, bomb: object) -> Path:
    (folder / "plain.pt").write_bytes(pickle.dumps({"x": bomb}, protocol=2))
    return folder / "plain.pt"


def open_clip_bin(folder: Path, bomb: object) -> Path:
    torch.save({"epoch": bomb, "state_dict": {"module.visual.proj": torch.zeros(1)}}, folder / "b")
    return folder / "b"


def transformers_bin(folder: Path, bomb: object) -> Path:
    save_transformers("quick", folder)
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save({**state, "bomb": bomb}, folder / "pytorch_model.bin")
    return folder


MAKERS = [
    openai_archive,
    openai_state_dict,
    legacy_pickle,
    plain_pickle,
    open_clip_bin,
    transformers_bin,
]


@pytest.mark.parametrize("make", MAKERS)
def test_a_malicious_pickle_is_refused_and_nothing_of_it_runs(
    make: Callable[[Path, object], Path], tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    path = make(tmp_path, Bomb(mark))
    with pytest.raises(WeightsError, match=r"refused.*Nothing of it was run"):
        load_weights(path, SPEC)
    assert not mark.exists()


def test_the_bomb_is_live(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Bomb(tmp_path / "ran"))).close()
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "name",
    [
        "os system",
        "builtins eval",
        "torch load",
        "torch._utils _rebuild_device_tensor_from_numpy",
        "torch.jit._pickle os",
        "__torch__x Y",
        "functools partial",
    ],
)
def test_an_archive_may_not_name_anything_else(name: str, tmp_path: Path) -> None:
    archive = small_archive(tmp_path / "a.pt")
    module, attribute = name.split()
    code = f"c{module}\n{attribute}\n.".encode()  # GLOBAL, STOP
    replace_record(archive, "/data.pkl", b"\x80\x02" + code)
    with pytest.raises(WeightsError, match=rf"a\.pt: refused: .* names {module}\.{attribute}"):
        load_torchscript(archive)


def test_classes_of_an_archive_are_inert(tmp_path: Path) -> None:
    archive = small_archive(tmp_path / "a.pt")
    evil = b"\x80\x02c__torch__.os\nsystem\n(X\x04\x00\x00\x00trueo."  # INST-like call with args
    replace_record(archive, "/data.pkl", evil)
    with pytest.raises(WeightsError, match="damaged TorchScript archive"):
        load_torchscript(archive)


def test_an_archive_without_a_module_is_refused(tmp_path: Path) -> None:
    archive = small_archive(tmp_path / "a.pt")
    replace_record(archive, "/data.pkl", pickle.dumps([1, 2], protocol=2))
    with pytest.raises(WeightsError, match=r"a\.pt: the archive holds no module but list"):
        load_torchscript(archive)


@pytest.mark.parametrize("size", [0, 8, 400])
def test_a_storage_of_another_size_is_refused(size: int, tmp_path: Path) -> None:
    archive = small_archive(tmp_path / "a.pt")
    replace_record(archive, "/data/0", bytes(size))
    with pytest.raises(WeightsError, match=rf"data/0 has {size} bytes; needed are"):
        load_torchscript(archive)


def test_a_big_endian_archive_is_refused(tmp_path: Path) -> None:
    archive = small_archive(tmp_path / "a.pt")
    replace_record(archive, "/byteorder", b"big")
    with pytest.raises(WeightsError, match="big-endian"):
        load_torchscript(archive)


def test_safe_load_pickle_returns_plain_dicts(tmp_path: Path) -> None:
    torch.save({"prompt_learner": {"ctx": torch.ones(2)}}, tmp_path / "p.pth")
    assert safe_load_pickle(tmp_path / "p.pth")["prompt_learner"]["ctx"].tolist() == [1, 1]
    torch.save([1], tmp_path / "l.pth")
    with pytest.raises(WeightsError, match=r"l\.pth: holds a list; needed is a state dict"):
        safe_load_pickle(tmp_path / "l.pth")
    with pytest.raises(WeightsError, match=r"gone\.pth: damaged"):
        safe_load_pickle(tmp_path / "gone.pth")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "an empty file"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"garbage", "not a weight file"),
        (b"PK\x03\x04 cut", "damaged or cut short"),
    ],
)
def test_what_is_no_weight_file_is_named(content: bytes, text: str, tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(WeightsError, match=rf"w\.pt: {text}"):
        read_tensors(tmp_path / "w.pt")


def test_a_zip_of_something_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as archive:
        archive.writestr("a/readme.txt", "hello")
    with pytest.raises(WeightsError, match="a zip file, but not one of torch"):
        read_tensors(tmp_path / "w.zip")


def test_a_pickle_without_tensors(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=r"no tensors in it, only epoch; needed: a state dict"):
        read_tensors(tmp_path / "w.pt")


@lru_cache
def good_files() -> dict[str, bytes]:
    """The same small CLIP in four containers."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        state = build_state(save_transformers("quick", root / "hf"), SPEC)
        flat = openai_state(state)
        save_file(flat, root / "safetensors")
        torch.save(flat, root / "zip")
        torch.save(flat, root / "legacy", _use_new_zipfile_serialization=False)
        save_archive(flat, root / "archive")
        names = ("safetensors", "zip", "legacy", "archive")
        return {name: (root / name).read_bytes() for name in names}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["safetensors", "zip", "legacy", "archive"]),
    where=st.floats(0, 1, exclude_max=True),
    bit=st.one_of(st.none(), st.integers(0, 7)),
)
def test_damage_is_one_clear_error_or_harmless(
    kind: str, where: float, bit: int | None, tmp_path: Path
) -> None:
    """A cut file is always refused; a flipped bit is refused or changes one number."""
    data = bytearray(good_files()[kind])
    place = int(where * len(data))
    if bit is None:
        del data[place:]
    else:
        data[place] ^= 1 << bit
    path = tmp_path / "w.pt"
    path.write_bytes(data)
    message = "w.pt"
    try:
        load_weights(path, SPEC)
        assert bit is not None, "a cut file was loaded"
    except WeightsError as error:
        message = str(error)
    assert "w.pt" in message
