from pathlib import Path

from PIL import Image
from typer.testing import CliRunner

from faprompt.cli.app import app
from faprompt.cli.main import load_commands

RECIPE = """
scenes = 2
parts = 1
stages = [{ size = 32, steps = 0 }]
"""


def test_render_writes_a_labelled_set(tmp_path: Path) -> None:
    load_commands()
    args = ["render", "--out", str(tmp_path / "set"), "--split", "example", "--count", "4"]
    args += ["--size", "64", "--sheet", str(tmp_path / "sheet.png")]
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 0, result.output
    assert "2 normal and 2 anomalous pictures" in result.output
    assert len(list((tmp_path / "set").rglob("*_mask.png"))) == 2
    assert Image.open(tmp_path / "sheet.png").width == 3 * 128


def test_pretrain_stops_resumes_and_exports(tmp_path: Path) -> None:
    load_commands()
    (tmp_path / "recipe.toml").write_text(RECIPE)
    args = ["pretrain", "--recipe", str(tmp_path / "recipe.toml"), "--out", str(tmp_path / "run")]
    assert CliRunner().invoke(app, [*args, "--steps", "1"]).exit_code == 0
    last = [*args, "--steps", "2", "--resume", "--export", str(tmp_path)]
    result = CliRunner().invoke(app, last)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "tiny.safetensors").stat().st_size < 30 * 2**20
