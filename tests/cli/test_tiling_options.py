"""``predict --tile`` and ``evaluate --tile`` as a user types them, on the embedded model."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner, Result

from faprompt.cli.main import load_commands
from faprompt.errors import ConfigError


def run(*args: object) -> Result:
    return CliRunner().invoke(load_commands(), [str(arg) for arg in args])


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    small = np.random.default_rng(seed).integers(90, 160, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def test_a_large_tiff_is_predicted_by_windows_with_its_values_as_tiff(tmp_path: Path) -> None:
    pixels = np.asarray(noise((300, 200)))
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", tile=(64, 64))
    limit = ("--max-pixels", 50_000, "--regions", "--pixel-threshold", 1e-6)
    out = ("--out", tmp_path / "out")
    refused = run("predict", tmp_path / "a.tif", *limit, *out)
    assert refused.exit_code == 1
    assert "look at it by windows (--tile)" in refused.stderr.replace("\n", " ")
    found = run("predict", tmp_path / "a.tif", "--tile", 200, *limit, "--out", tmp_path / "b")
    assert found.exit_code == 0, found.output
    row = json.loads((tmp_path / "b" / "predictions.jsonl").read_text())
    assert (row["width"], row["height"]) == (300, 200)
    values = tifffile.imread(tmp_path / "b" / row["values"])
    assert (values.shape, values.dtype) == ((200, 300), np.dtype(np.uint16))
    assert 0 < values.max() / 65535 <= 1
    assert Image.open(tmp_path / "b" / row["map"]).size == (300, 200)
    regions = json.loads((tmp_path / "b" / "regions.jsonl").read_text())
    assert regions["width"] == 300
    assert regions["regions"]
    settings = json.loads((tmp_path / "b" / "run.json").read_text())
    assert settings["tiling"]["tile"] == 200


def test_another_tiling_is_another_run(tmp_path: Path) -> None:
    noise((90, 80)).save(tmp_path / "a.png")
    command = ("predict", tmp_path / "a.png", "--out", tmp_path / "out", "--tile")
    assert run(*command, 64).exit_code == 0
    again = run(*command, 70)
    assert isinstance(again.exception, ConfigError)
    assert "tiling was" in str(again.exception)


def test_evaluate_by_windows(tmp_path: Path) -> None:
    for kind in ("normal", "anomalous"):
        (tmp_path / "set" / kind).mkdir(parents=True)
        for i in range(2):
            noise((150, 100), i).save(tmp_path / "set" / kind / f"{i}.png")
    (tmp_path / "set" / "normal" / "bad.png").write_bytes(b"no image")
    command = ("evaluate", "--data", tmp_path / "set", "--json", tmp_path / "e.json")
    result = run(*command, "--tile", 80, "--overlap", 0.5)
    assert result.exit_code == 1  # of the bad image
    values = json.loads((tmp_path / "e.json").read_text())
    assert values["counts"] | {"images": 4, "unreadable": 1} == values["counts"]
    assert values["tiling"] == {
        "tile": 80, "overlap": 0.5, "whole": False, "smallest_defect": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--overlap", "0.5"], "--overlap needs --tile"),
        (["--whole"], "--whole needs --tile"),
        (["--smallest-defect", "9"], "--smallest-defect needs --tile"),
        (["--tile", "64", "--reference", "x"], "use one of them"),
    ],
)
@pytest.mark.parametrize("command", [["predict", "a.png"], ["evaluate", "--data", "."]])
def test_options_that_do_not_go_together_are_a_usage_error(
    command: list[str], args: list[str], message: str
) -> None:
    result = run(*command, *args)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_a_tile_that_is_no_number_is_refused() -> None:
    result = run("predict", "a.png", "--tile", "large")
    assert isinstance(result.exception, ConfigError)
    assert "tile must be 'auto' or a number of pixels, got 'large'" in str(result.exception)
