"""Commands killed again and again: no half file under a final name, and the result of calm runs.

Run by ``make killloop``; ``make test`` leaves it out, for it takes minutes. FAPROMPT_KILLS tells
how often a command dies, FAPROMPT_KILL_SEED chooses where.
"""

import csv
import json
import os
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killing import killed_at, killed_when, operations, places, whole
from PIL import Image
from random_model import random_model
from safetensors.torch import load_file

from faprompt.runtime import Runtime

pytestmark = pytest.mark.killloop

SEED = int(os.environ.get("FAPROMPT_KILL_SEED", "1"))
PICTURES = 24
DEVICE = ("--device", "cpu", "--precision", "fp32")
KILLS = int(os.environ.get("FAPROMPT_KILLS", "8"))
"""File operations that a command dies before, each in a run of its own: at least one for each kind
of file."""
AMID = max(2, KILLS // 4)
"""Times that a process dies between operations, or within one; all in one folder."""
WRITING = [
    "open model.onnx",
    "open model.json",
    "os.chmod model.json",
    "os.rename model.json",
    "os.remove model.json",
    "os.chmod model.onnx",
]
"""What an export does before it takes the place of an earlier one; it traces the model each time,
so that it dies less often."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return random_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise, and noise with a bright square and its mask; one file is none of these."""
    root = tmp_path_factory.mktemp("data") / "parts"
    rng = np.random.default_rng(0)
    for name in ("good", "bad", "masks"):
        (root / name).mkdir(parents=True)
    for i in range(PICTURES // 2):
        pixels = rng.integers(60, 120, (2, 160, 160, 3), dtype=np.uint8)
        mask = np.zeros((160, 160), dtype=np.uint8)
        mask[8 * i : 8 * i + 40, 40:90] = 255
        pixels[1][mask > 0] = 250
        Image.fromarray(pixels[0]).save(root / "good" / f"{i}.png")
        Image.fromarray(pixels[1]).save(root / "bad" / f"b{i}.png")
        Image.fromarray(mask).save(root / "masks" / f"b{i}.png")
    (root / "good" / "broken.png").write_bytes(b"\x89PNG")
    return root


def temporary(folder: Path) -> list[str]:
    return [str(p.relative_to(folder)) for p in folder.rglob("*") if p.name.startswith(".")]


def finished(folder: Path) -> list[Path]:
    """Files that have their final names."""
    return [p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")]


def holds(folder: Path, number: int) -> bool:
    return len(finished(folder)) >= number


def json_lines(path: Path) -> list[dict[str, Any]]:
    """Every line; the last one may be cut off, for lines are added one by one."""
    found = []
    lines = path.read_text().split("\n") if path.is_file() else []
    for number, line in enumerate(lines):
        try:
            found.append(json.loads(line))
        except ValueError:
            assert number >= len(lines) - 2, f"{path}: line {number + 1} of {len(lines)}: {line}"
    return found


def check_final_files(folder: Path) -> None:
    """Every file that has its final name is whole."""
    for path in finished(folder):
        if path.suffix == ".png":
            with Image.open(path) as picture:
                picture.load()
        elif path.suffix == ".safetensors":
            assert load_file(path)
        elif path.suffix == ".jsonl":
            json_lines(path)
        elif path.suffix == ".json":
            assert json.loads(path.read_text())
        elif path.suffix == ".csv":
            with path.open(newline="") as file:
                assert all(None not in row.values() for row in csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    """Files by name and content, without the times in the rows of predictions."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = str(path.relative_to(folder))
        if path.name.startswith("predictions."):
            continue  # compared by :func:`rows`
        found[name] = path.read_bytes()
    return found


def rows(folder: Path) -> list[dict[str, Any]]:
    found = json_lines(folder / "predictions.jsonl")
    with (folder / "predictions.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["path"] for row in table] == [
        row["path"] for row in sorted(found, key=lambda row: -row["image_score"])
    ]
    return [row | {"milliseconds": 0} for row in found]


Command = Callable[[Path], tuple[object, ...]]
Compare = Callable[[Path], None]


def die_at_places(command: Command, root: Path, steps: list[str], compare: Compare) -> None:
    """Die once before each of many file operations, each time anew, and go on to the end."""
    for number in places(steps, KILLS, seed=SEED):
        folder = root / f"place-{number}"
        folder.mkdir(parents=True)
        assert killed_at(number, *command(folder), root=folder, codes=(1,)), number
        check_final_files(folder)
        killed_at(0, *command(folder), root=folder, codes=(1,))
        compare(folder)


def die_amid(command: Command, calm: Path, folder: Path, compare: Compare) -> None:
    """Die several times in one folder, each time further on its way, and go on to the end."""
    rng = random.Random(SEED)
    most = len(finished(calm)) - 3  # while the last files are still to come
    folder.mkdir()
    kills = 0
    for number in range(1, AMID + 1):
        kills += killed_when(
            partial(holds, folder, most * number // AMID),
            *command(folder),
            wait=rng.uniform(0, 0.05),
            codes=(1,),
        )
        check_final_files(folder)
    assert kills > 0
    whole(*command(folder), codes=(1,))
    compare(folder)


def test_predict(model: list[str], parts: Path, tmp_path: Path) -> None:
    # One by one: the last bits of a product depend on how many images share it.
    def command(folder: Path) -> tuple[object, ...]:
        return ("predict", parts, "--out", folder / "out", "--batch-size", 1, *DEVICE, *model)

    calm = tmp_path / "calm"
    calm.mkdir()
    steps = operations(*command(calm), root=calm, codes=(1,))
    assert len(steps) > 3 * PICTURES

    def compare(folder: Path) -> None:
        check_final_files(folder)
        assert rows(folder / "out") == rows(calm / "out")
        assert contents(folder) == contents(calm)
        assert not temporary(folder)

    die_at_places(command, tmp_path / "places", steps, compare)
    die_amid(command, calm, tmp_path / "amid", compare)


def test_train_with_a_feature_cache(model: list[str], parts: Path, tmp_path: Path) -> None:
    def command(folder: Path) -> tuple[object, ...]:
        places = ("--out", folder / "run", "--cache", folder / "cache")
        settings = ("--input-size", 64, "--set", "num_deep_prompts=1", "--epochs", 2)
        weights = model[model.index("--weights") :]
        return ("train", "--data", parts, *places, *settings, *DEVICE, *weights)

    calm = tmp_path / "calm"
    calm.mkdir()
    steps = operations(*command(calm), root=calm, codes=(1,))
    assert len(steps) > 2 * PICTURES

    def compare(folder: Path) -> None:
        check_final_files(folder)
        assert contents(folder / "run") == contents(calm / "run")
        cached = contents(folder / "cache")  # half files there may be another run's, for an hour
        whole_ones = {n: c for n, c in cached.items() if not Path(n).name.startswith(".")}
        assert whole_ones == contents(calm / "cache")

    die_at_places(command, tmp_path / "places", steps, compare)
    die_amid(command, calm, tmp_path / "amid", compare)


def test_export_over_an_earlier_export(model: list[str], parts: Path, tmp_path: Path) -> None:
    picture = parts / "good" / "0.png"

    def command(out: Path) -> tuple[object, ...]:
        return ("export", "--out", out, "--parity-images", parts / "bad", *model)

    calm, out = tmp_path / "calm", tmp_path / "out"
    whole(*command(calm))
    expected = Runtime.load(calm, threads=1).predict(picture)
    hidden = tmp_path / ".out"  # what is written lies beside the result until it is whole
    chance = random.Random(SEED)

    def check() -> None:
        """The folder is a whole export: its checksums hold."""
        found = Runtime.load(out, threads=1).predict(picture)
        assert found.image_score == pytest.approx(expected.image_score, abs=1e-6)

    assert killed_when(
        lambda: any(tmp_path.glob(".out.new.*/model.onnx")),
        *command(out),
        wait=chance.uniform(0, 0.02),
    )
    assert not out.exists()
    whole(*command(out))
    check()
    for place in chance.sample(WRITING, min(len(WRITING), AMID)):
        assert killed_at(place, *command(out), root=hidden), place
        check()
    assert killed_at("os.rename out.new", *command(out), root=hidden)
    assert not out.exists()  # aside, put back by the next start
    assert killed_at("shutil.rmtree out.old", *command(out), root=hidden)
    check()
    whole(*command(out))
    check()
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")]
    assert {p.name for p in out.iterdir()} == {p.name for p in calm.iterdir()}
