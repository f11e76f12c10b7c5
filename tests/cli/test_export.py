"""``export`` as a user types it; the graph is one that anybody can compute."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from graphs import write_simple_graph
from stations import station
from typer.testing import CliRunner, Result

from faprompt.cli.main import load_commands
from faprompt.deploy import export
from faprompt.deploy.parity import BOUNDS
from faprompt.detection.detector import Detector
from faprompt.errors import ConfigError, ExportError, StationError
from faprompt.runtime import Runtime


@pytest.fixture(autouse=True)
def _simple_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tracing the embedded model would take half a minute; tests/deploy traces small ones."""

    def write(module: Any, path: Path) -> list[str]:
        write_simple_graph(path, side=module.input_size)
        return []

    monkeypatch.setattr(export, "write_onnx", write)


def run(*args: object) -> Result:
    return CliRunner().invoke(load_commands(), ["export", *map(str, args)])


def test_it_prints_the_differences_and_where_the_model_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BOUNDS, "fp32", 1.0)
    result = run("--out", tmp_path / "out", "--format", "openvino")
    assert result.exit_code == 0, result.output
    assert "image_score: differs from torch by" in result.stdout
    assert "24 images" in result.stdout  # the shipped examples
    assert "openvino, fp32" in result.stdout
    description = Runtime.load(tmp_path / "out").description
    shipped = Detector.load("tiny", precision="fp32")
    assert description.checkpoint_sha256 == shipped.checksum
    assert description.backbone_checksum == shipped.backbone.checksum
    assert description.colour_limits == shipped.header.colour_limits


def test_a_model_that_differs_fails_and_leaves_nothing(tmp_path: Path) -> None:
    result = run("--out", tmp_path / "out")
    assert isinstance(result.exception, ExportError)
    assert "differs from torch by" in result.stdout
    assert not list(tmp_path.iterdir())


def test_int8_asks_for_images(tmp_path: Path) -> None:
    result = run("--out", tmp_path / "out", "--precision", "int8")
    assert isinstance(result.exception, ConfigError)
    assert "int8 needs --calibrate FOLDER" in str(result.exception)


def test_help_imports_none_of_the_engines() -> None:
    code = (
        "import sys; from faprompt.cli.main import main\n"
        "try: main(['export', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(any(m in sys.modules for m in ('torch', 'onnx', 'onnxruntime', 'openvino')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0
    assert b"--calibrate" in done.stdout


def test_a_station_goes_with_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(BOUNDS, "fp32", 1.0)
    checksum = Detector.load("tiny", precision="fp32").checksum
    station(model_sha256=checksum).write(tmp_path / "s.json")
    result = run("--out", tmp_path / "out", "--station", tmp_path / "s.json")
    assert result.exit_code == 0, result.output
    assert not caplog.text  # fp32 is fp32: no other precision to warn of
    assert Runtime.load(tmp_path / "out").station == station(model_sha256=checksum)
    run("--out", tmp_path / "out")  # it is part of the export that is replaced
    assert Runtime.load(tmp_path / "out").station is None


def test_a_station_of_another_model_is_refused(tmp_path: Path) -> None:
    station().write(tmp_path / "s.json")
    result = run("--out", tmp_path / "out", "--station", tmp_path / "s.json")
    assert isinstance(result.exception, StationError)
    assert "calibrated for the model aaaaaaaaaaaa, not for this one" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_a_station_with_references_is_refused(tmp_path: Path) -> None:
    checksum = Detector.load("tiny", precision="fp32").checksum
    known = station(model_sha256=checksum, settings={"references_sha256": "b" * 64})
    known.write(tmp_path / "s.json")
    result = run("--out", tmp_path / "out", "--station", tmp_path / "s.json")
    assert isinstance(result.exception, StationError)
    assert "calibrated with references" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_int8_needs_a_station_of_its_own(tmp_path: Path) -> None:
    checksum = Detector.load("tiny", precision="fp32").checksum
    station(model_sha256=checksum).write(tmp_path / "s.json")
    options = ("--precision", "int8", "--calibrate", tmp_path, "--station", tmp_path / "s.json")
    result = run("--out", tmp_path / "out", *options)
    assert isinstance(result.exception, StationError)
    assert "calibrated in fp32, used in int8" in str(result.exception)
