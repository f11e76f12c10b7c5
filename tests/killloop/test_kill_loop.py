"""Commands killed again and again: no half file under a final name, and the result of calm runs.

Run by ``make killloop``; ``make test`` leaves it out, for it takes minutes.
"""

import csv
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killing import killed_at, killed_by_the_clock, operations, places, whole
from PIL import Image
from random_model import random_model
from safetensors.torch import load_file

from faprompt.runtime import Runtime

pytestmark = pytest.mark.killloop

SEED = int(os.environ.get("FAPROMPT_KILL_SEED", "1"))
PICTURES = 24
DEVICE = ("--device", "cpu", "--precision", "fp32")
CLOCK_KILLS = 4
PLACES = 16
"""File operations that a command dies before, one after the other."""


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
    for path in folder.rglob("*"):
        if not path.is_file() or path.name.startswith("."):
            continue
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


def die_at_places(command: Command, root: Path, total: int, compare: Compare) -> None:
    """Die once before each of many file operations, each time anew, and go on to the end."""
    for number in places(total, PLACES, seed=SEED):
        folder = root / f"place-{number}"
        folder.mkdir(parents=True)
        assert killed_at(number, *command(folder), root=folder, codes=(1,)), number
        check_final_files(folder)
        killed_at(0, *command(folder), root=folder, codes=(1,))
        compare(folder)


def die_by_the_clock(
    command: Command, folder: Path, begun: Callable[[], bool], compare: Compare
) -> None:
    """Die several times in one folder, at any moment, and go on to the end."""
    rng = random.Random(SEED)
    folder.mkdir()
    kills = 0
    for _ in range(CLOCK_KILLS):
        wait = rng.uniform(0, 0.6)
        kills += killed_by_the_clock(*command(folder), begun=begun, wait=wait, codes=(1,))
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
    total = operations(*command(calm), root=calm, codes=(1,))
    assert total > 3 * PICTURES

    def compare(folder: Path) -> None:
        check_final_files(folder)
        assert rows(folder / "out") == rows(calm / "out")
        assert contents(folder) == contents(calm)
        assert not temporary(folder)

    die_at_places(command, tmp_path / "places", total, compare)
    clock = tmp_path / "clock"
    die_by_the_clock(command, clock, (clock / "out" / "run.json").is_file, compare)


def test_train_with_a_feature_cache(model: list[str], parts: Path, tmp_path: Path) -> None:
    def command(folder: Path) -> tuple[object, ...]:
        places = ("--out", folder / "run", "--cache", folder / "cache")
        settings = ("--input-size", 64, "--set", "num_deep_prompts=1", "--epochs", 2)
        weights = model[model.index("--weights") :]
        return ("train", "--data", parts, *places, *settings, *DEVICE, *weights)

    calm = tmp_path / "calm"
    calm.mkdir()
    total = operations(*command(calm), root=calm, codes=(1,))
    assert total > 2 * PICTURES

    def compare(folder: Path) -> None:
        check_final_files(folder)
        assert contents(folder / "run") == contents(calm / "run")
        cached = contents(folder / "cache")  # half files there may be another run's, for an hour
        finished = {n: c for n, c in cached.items() if not Path(n).name.startswith(".")}
        assert finished == contents(calm / "cache")

    die_at_places(command, tmp_path / "places", total, compare)
    clock = tmp_path / "clock"
    die_by_the_clock(command, clock, (clock / "cache").is_dir, compare)


def test_export_over_an_earlier_export(model: list[str], parts: Path, tmp_path: Path) -> None:
    picture = parts / "good" / "0.png"

    def command(out: Path) -> tuple[object, ...]:
        return ("export", "--out", out, "--parity-images", parts / "bad", *model)

    calm, out = tmp_path / "calm", tmp_path / "out"
    whole(*command(calm))
    expected = Runtime.load(calm, threads=1).predict(picture)

    def check(*, earlier: bool) -> None:
        """The folder is a whole export (its checksums hold), or not there at all."""
        if not out.exists():
            aside = [p for p in tmp_path.glob(".out.old.*") if any(p.iterdir())]
            assert aside or not earlier  # put back by the next start
            return
        found = Runtime.load(out, threads=1).predict(picture)
        assert found.image_score == pytest.approx(expected.image_score, abs=1e-6)

    hidden = tmp_path / ".out"  # what is written lies beside the result until it is whole
    killed_at(2, *command(out), root=hidden)
    check(earlier=False)
    whole(*command(out))
    total = operations(*command(out), root=hidden)
    for number in (*places(total, 2, seed=SEED), *range(total - 6, total + 1)):
        killed_at(number, *command(out), root=hidden)
        check(earlier=True)
    wait = random.Random(SEED).uniform(0, 2)
    killed_by_the_clock(*command(out), begun=lambda: bool([*tmp_path.glob(".out.*")]), wait=wait)
    check(earlier=True)
    whole(*command(out))
    check(earlier=True)
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")]
    assert {p.name for p in out.iterdir()} == {p.name for p in calm.iterdir()}
