"""The train command: one command to learn, to go on after any end, and to refuse with reason."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from patience import PATIENCE, until
from PIL import Image
from safetensors.torch import load_file, save_file

from faprompt.cli import main as cli
from faprompt.clip.model import Clip
from faprompt.clip.registry import get_spec
from faprompt.config import LossConfig, TrainingConfig

FAST = ("--backbone", "tiny", "--input-size", "64", "--blur-sigma", "2", "--epochs", "2")
SLOW = ("--epochs", "3", "--batch-size", "1")
PROGRAM = (sys.executable, "-c", "from faprompt.cli.main import main; main()")


@pytest.fixture(autouse=True)
def _quiet_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread, as in the processes started here; a cache of the test's own."""
    monkeypatch.setenv("FAPROMPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("COLUMNS", "200")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of the embedded backbone."""
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(Clip(get_spec("tiny")).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise, and noise with a bright square and its mask."""
    root = tmp_path_factory.mktemp("data") / "parts"
    rng = np.random.default_rng(0)
    for name in ("good", "bad", "masks"):
        (root / name).mkdir(parents=True)
    for i in range(6):
        pixels = rng.integers(60, 120, (2, 64, 64, 3), dtype=np.uint8)
        mask = np.zeros((64, 64), dtype=np.uint8)
        mask[8 * i : 8 * i + 20, 20:40] = 255
        pixels[1][mask > 0] = 250
        Image.fromarray(pixels[0]).save(root / "good" / f"{i}.png")
        Image.fromarray(pixels[1]).save(root / "bad" / f"b{i}.png")
        Image.fromarray(mask).save(root / "masks" / f"b{i}.png")
    return root


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Train = Callable[..., Ended]


@pytest.fixture
def train(parts: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> Train:
    """Run the command in this process."""

    def run(*args: str, data: Path = parts) -> Ended:
        with pytest.raises(SystemExit) as caught:
            cli.main(["train", "--data", str(data), "--weights", str(weights), *FAST, *args])
        found = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return Ended(caught.value.code, found.out, found.err)

    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_one_command_learns_and_says_where(train: Train, tmp_path: Path) -> None:
    out = tmp_path / "run"
    same = ("--out", str(out), "--precision", "fp32")  # whatever this machine prefers
    ended = train(*same)
    assert ended.code == 0, ended.err
    # 17 tokens of 192 fp32 values per image
    assert "features of 12 images; 12 to compute, 0.2 MB on disk" in ended.err
    assert "learning from 10 images, held out: 2 (20% of the images of every type)" in ended.err
    assert re.search(r"epoch [12] chosen on held-out source data: image AUROC \d", ended.out)
    assert f"faprompt predict PATH --model {out / 'best.safetensors'}" in ended.out
    with Image.open(out / "curves.png") as picture:
        picture.verify()
    before = contents(out)
    again = train(*same)
    assert (again.code, contents(out)) == (0, before)
    assert "features of 12 images; 0 to compute" in again.err


def test_without_cache_nothing_is_kept(train: Train, tmp_path: Path) -> None:
    assert train("--out", str(tmp_path / "run"), "--no-cache", "--epochs", "1").code == 0
    assert not (tmp_path / "cache").exists()


def test_options_go_before_the_file_and_the_file_before_defaults(
    train: Train, tmp_path: Path
) -> None:
    config = tmp_path / "train.toml"
    config.write_text('epochs = 9\nseed = 5\nselect = "fixed:1"\nnum_deep_prompts = 3\n')
    args = ("--config", str(config), "--set", "num_prior_patches=4", "--preset", "released")
    ended = train("--out", str(tmp_path / "run"), *args)
    assert ended.code == 0, ended.err
    assert "fixed epoch 1, learned from all data" in ended.out
    request = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (request["training"]["epochs"], request["training"]["seed"]) == (2, 5)
    method = request["method"]
    assert (method["num_deep_prompts"], method["num_prior_patches"]) == (3, 4)
    assert (method["prior_gather"], method["image_focal_on"]) == ("first", "sigmoid")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "train.toml: unknown setting 'epoch'; did you mean 'epochs'?"),
        ("epochs = '3'", "epochs must be a whole number, got '3'"),
        ("epochs = = 3", "train.toml: not a readable TOML file"),
        ("[training]\nepochs = 3", "unknown setting 'training'"),
    ],
)
def test_a_file_with_faults_is_refused(
    text: str, message: str, train: Train, tmp_path: Path
) -> None:
    config = tmp_path / "train.toml"
    config.write_text(text)
    ended = train("--out", str(tmp_path / "run"), "--config", str(config), "--epochs", "1")
    if "epochs must be" in message:  # an option given besides wins: nothing is wrong
        assert ended.code == 0
        return
    assert ended.code == 1
    assert message in ended.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--set", "temprature=0.1"), "did you mean 'temperature'"),
        (("--set", "temperature"), "needed is NAME=VALUE"),
        (("--select", "best"), "select must be 'heldout' or 'fixed:N', got 'best'"),
        (("--input-size", "65"), "input_size 65 is not a multiple of tiny's patch size 16"),
        (("--input-size", "32"), "the prior needs 10 patches, an image of this size has 4"),
        (("--learning-rate", "1e38"), "the last finished epoch is kept. Try --precision fp32"),
    ],
)
def test_settings_that_cannot_be_are_one_line(
    args: tuple[str, ...], message: str, train: Train, tmp_path: Path
) -> None:
    ended = train("--out", str(tmp_path / "run"), *args)
    assert ended.code == 1
    assert message in ended.err.splitlines()[-1]


def test_another_run_in_the_folder_is_refused_with_the_difference(
    train: Train, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    train("--out", str(out), "--epochs", "1")
    before = contents(out)
    ended = train("--out", str(out), "--epochs", "1", "--seed", "3")
    assert ended.code == 1
    assert "holds a run with other settings (training.seed was 111, now 3)" in ended.err
    assert contents(out) == before


def test_unreadable_images_are_named_and_the_exit_code_says_so(
    train: Train, parts: Path, tmp_path: Path
) -> None:
    data = tmp_path / "parts"
    for path in (p for p in parts.rglob("*.png")):
        copy = data / path.relative_to(parts)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (data / "good" / "broken.png").write_bytes(b"no image")
    ended = train("--out", str(tmp_path / "run"), "--epochs", "1", data=data)
    assert ended.code == 1
    assert re.search(r"left out broken\.png: \S+broken\.png: ", ended.err)
    assert (tmp_path / "run" / "best.safetensors").is_file()


def test_every_setting_of_losses_and_training_is_an_option(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    shown = capsys.readouterr().out
    for name in (*TrainingConfig.names(), *LossConfig.names()):
        assert f"--{name.replace('_', '-')}" in shown


def _start(parts: Path, weights: Path, out: Path) -> "subprocess.Popen[bytes]":
    args = ("train", "--data", str(parts), "--weights", str(weights), "--out", str(out), *FAST)
    with (out.parent / f"{out.name}.err").open("ab") as errors:
        return subprocess.Popen([*PROGRAM, *args, *SLOW],
                                stdout=subprocess.DEVNULL, stderr=errors)  # fmt: skip


def _wait_for(condition: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    until(lambda: condition() or process.poll() is not None, "a run that got there")


@pytest.mark.skipif(os.name != "posix", reason="kills processes")
def test_a_run_killed_twice_ends_as_one_that_was_not(
    parts: Path, weights: Path, train: Train, tmp_path: Path
) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = _start(parts, weights, killed)
    _wait_for((killed / "resume.safetensors").exists, process)
    process.kill()  # within epoch 2
    assert process.wait(PATIENCE) == -signal.SIGKILL
    process = _start(parts, weights, killed)
    assert train("--out", str(whole), *SLOW).code == 0  # meanwhile
    _wait_for((killed / "epoch-03.safetensors").exists, process)
    process.kill()  # about when the resume state is written
    process.wait(PATIENCE)
    assert train("--out", str(killed), *SLOW).code == 0
    for name in ("best", "epoch-01", "epoch-02", "epoch-03"):
        learned, expected = (load_file(o / f"{name}.safetensors") for o in (killed, whole))
        assert learned.keys() == expected.keys()
        assert all(torch.equal(learned[key], expected[key]) for key in learned)
    assert contents(killed) == contents(whole)


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
def test_ctrl_c_leaves_valid_files(parts: Path, weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = _start(parts, weights, out)
    _wait_for((out / "resume.safetensors").exists, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 130
    assert "the same command continues" in (tmp_path / "run.err").read_text()
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    for path in out.glob("*.safetensors"):
        assert load_file(path)
    for line in (out / "log.jsonl").read_text().splitlines():
        json.loads(line)
