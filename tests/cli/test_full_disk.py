"""A disk that is full: one line, no half file, nothing lost, and the same command goes on."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from graphs import small_detector, write_simple_graph
from PIL import Image
from random_model import random_model
from safetensors.torch import load_file
from small_disk import SmallDisk, may_mount

from faprompt.cli import main as cli
from faprompt.deploy.export import ExportSettings, export_model
from faprompt.deploy.openvino import write_openvino
from faprompt.detection.spool import MapSpool
from faprompt.errors import OutputError
from faprompt.files import append_line, replacing, write_tensors, write_text

pytestmark = pytest.mark.skipif(not may_mount(), reason="needs the right to mount a small disk")

Disk = Callable[[int], SmallDisk]
PICTURES = 10
SIDE = 100
"""Noise of this side takes some 30 kB as PNG."""


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return random_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "parts"
    rng = np.random.default_rng(0)
    for i in range(PICTURES):
        folder = root / ("good" if i % 2 else "bad")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return root


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Mount a disk of so many kilobytes."""
    mounted: list[SmallDisk] = []

    def mount(kilobytes: int) -> SmallDisk:
        mounted.append(SmallDisk(tmp_path / f"disk-{len(mounted)}", kilobytes))
        return mounted[-1]

    yield mount
    for one in mounted:
        one.close()


def run(*args: object) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main([str(arg) for arg in args])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_predict_keeps_what_it_wrote_and_goes_on_when_there_is_room(
    model: list[str], parts: Path, tmp_path: Path, disk: Disk, capsys: pytest.CaptureFixture[str]
) -> None:
    small = disk(160)
    command = ("predict", parts, "--batch-size", 1, "--device", "cpu", *model, "--out")
    assert run(*command, small.path / "out") == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"error: {small.path}/out/")
    assert "No space left on device" in error
    out = small.path / "out"
    rows = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert 2 <= len(rows) < PICTURES
    assert {p.name for p in out.rglob("*.png")} == {Path(row["map"]).name for row in rows}
    for path in out.rglob("*.png"):
        with Image.open(path) as picture:
            picture.load()
    assert not [p for p in out.rglob("*") if p.name.startswith(".")]

    small.grow(4096)
    assert run(*command, out) == 0
    assert run(*command, tmp_path / "calm") == 0
    found, calm = files(out), files(tmp_path / "calm")
    assert found.keys() == calm.keys()
    assert all(found[n] == calm[n] for n in calm if not n.startswith("predictions."))


@pytest.mark.parametrize("full", ["cache", "run"])
def test_training_goes_on_when_there_is_room(
    full: str,
    model: list[str],
    parts: Path,
    tmp_path: Path,
    disk: Disk,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = disk(60)
    settings = ("--input-size", 64, "--set", "num_deep_prompts=1", "--epochs", 2, "--select")
    weights = model[model.index("--weights") :]
    command = ("train", "--data", parts, *settings, "fixed:2", "--device", "cpu", *weights)
    places = {"cache": tmp_path / "cache", "run": tmp_path / "run"} | {full: small.path / full}
    options = ("--out", places["run"], "--cache", places["cache"])
    assert run(*command, *options) == 1
    assert "No space left on device" in capsys.readouterr().err.splitlines()[-1]
    for path in small.path.rglob("*"):
        assert not path.name.startswith(".")
        assert path.suffix != ".safetensors" or load_file(path)
    small.grow(65_536)
    assert run(*command, *options) == 0
    assert run(*command, "--out", tmp_path / "calm", "--cache", tmp_path / "calm-cache") == 0
    assert files(places["run"]) == files(tmp_path / "calm")
    assert files(places["cache"]) == files(tmp_path / "calm-cache")


def test_an_export_leaves_the_earlier_one(parts: Path, disk: Disk) -> None:
    small = disk(600)
    out = small.path / "out"
    out.mkdir()
    for name in ("model.json", "model.onnx"):
        (out / name).write_text("earlier")
    before = files(small.path)
    filling = small.path / "filling"
    filling.write_bytes(bytes(500 * 1024))
    with pytest.raises(OutputError, match=r"out: cannot be written .*choose another --out"):
        export_model(small_detector(), out, ExportSettings(parity_images=str(parts)))
    filling.unlink()
    assert files(small.path) == before


def test_openvino_s_own_writing_ends_in_our_error(tmp_path: Path, disk: Disk) -> None:
    write_simple_graph(tmp_path / "model.onnx")
    small = disk(8)
    (small.path / "filling").write_bytes(bytes(4096))
    with pytest.raises(OutputError, match=r"model\.xml: openvino cannot write it .*room on the"):
        write_openvino(tmp_path / "model.onnx", small.path / "model.xml", half=False)


def test_every_way_of_writing_names_the_disk_and_leaves_what_was_there(disk: Disk) -> None:
    folder = disk(40).path
    for name in ("text", "tensors", "lines"):
        (folder / name).write_text("earlier\n")
    (folder / "filling").write_bytes(bytes(24 * 1024))

    def half(path: Path) -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(bytes(32 * 1024))

    record = {"x": "y" * 32_768}
    for name, write in (
        ("text", lambda path: write_text(path, "x" * 32_768)),
        ("tensors", lambda path: write_tensors(path, {"x": torch.zeros(8192)})),
        ("new", half),
        ("lines", lambda path: append_line(path, record)),
    ):
        with pytest.raises(OutputError, match=rf"{name}: cannot be written .*No space left"):
            write(folder / name)
    assert sorted(os.listdir(folder)) == ["filling", "lines", "tensors", "text"]  # noqa: PTH208
    assert (folder / "text").read_text() == (folder / "tensors").read_text() == "earlier\n"
    (folder / "filling").unlink()
    append_line(folder / "lines", {"x": 1})  # begins a line of its own
    assert (folder / "lines").read_text().split("\n")[-2:] == ['{"x": 1}', ""]


def test_a_full_folder_for_temporary_files_says_which(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = disk(40)
    monkeypatch.setattr(tempfile, "tempdir", str(small.path))
    maps, mask = np.zeros((64, 64), np.float32), np.zeros((64, 64), bool)
    with MapSpool() as spool:

        def fill() -> None:
            for _ in range(9):
                spool.append(maps, mask)

        with pytest.raises(OutputError, match=r"No space left.*set TMPDIR"):
            fill()
