"""The steps of an export in their order, and what is left when one fails."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graphs import small_detector
from PIL import Image

from faprompt.deploy import export
from faprompt.deploy.export import ExportSettings, export_model
from faprompt.deploy.graph import pipeline, write_onnx
from faprompt.deploy.parity import BOUNDS
from faprompt.detection.detector import Detector
from faprompt.errors import ConfigError, DataError, ExportError
from faprompt.runtime import Runtime


@pytest.fixture(scope="module")
def detector() -> Detector:
    return small_detector()


@pytest.fixture(scope="module")
def traced(detector: Detector, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[str]]:
    """The detector's fp32 graph, and its products: tracing takes seconds, so it is done once."""
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    return path.read_bytes() if (
        products := write_onnx(pipeline(detector), path)
    ) else b"", products


@pytest.fixture(autouse=True)
def _trace_once(traced: tuple[bytes, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    def write(module: Any, path: Path) -> list[str]:
        path.write_bytes(traced[0])
        return traced[1]

    monkeypatch.setattr(export, "write_onnx", write)


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Folders ``normal`` and ``anomalous`` with three images each."""
    rng = np.random.default_rng(0)
    for kind in ("normal", "anomalous"):
        (tmp_path / "parts" / kind).mkdir(parents=True)
        for i in range(3):
            pixels = rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "parts" / kind / f"{i}.png")
    return tmp_path / "parts"


@pytest.mark.parametrize("form", ["onnx", "openvino"])
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_an_exported_model_predicts_as_the_detector(
    form: str, precision: str, detector: Detector, parts: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    settings = ExportSettings(
        form=form,
        precision=precision,
        calibrate=str(parts) if precision == "int8" else None,
        parity_images=str(parts),
    )
    description = export_model(detector, tmp_path / "out", settings, say=said.append)
    runtime = Runtime.load(tmp_path / "out", threads=1)
    assert runtime.description == description
    assert runtime.description.parity["images"] == 6
    image = parts / "normal" / "1.png"
    found, expected = runtime.predict(image), detector.predict(image)
    tolerance, on_average, of_score = (0.1, 8e-3, 0.03) if precision == "int8" else (1e-5,) * 3
    # The mean of maps tells: onnxruntime forgets a product's beta at int8, which gives 1.1e-2.
    assert description.parity["anomaly_map"]["mean"] < on_average
    assert found.image_score == pytest.approx(expected.image_score, abs=of_score)
    np.testing.assert_allclose(found.anomaly_map, expected.anomaly_map, rtol=0, atol=tolerance)
    assert list(found.overlay().size) == [50, 40]
    assert "image_score: differs from torch by" in said[0]
    assert len(said) == (2 if precision == "fp32" else 4)
    kept = {"onnx": {"model.onnx"}, "openvino": {"model.xml", "model.bin"}}[form]
    assert {path.name for path in (tmp_path / "out").iterdir()} == kept | {"model.json"}
    assert set(description.files) == kept


def test_int8_tells_the_loss_in_auroc(detector: Detector, parts: Path, tmp_path: Path) -> None:
    said: list[str] = []
    settings = ExportSettings(precision="int8", calibrate=str(parts), parity_images=str(parts))
    description = export_model(detector, tmp_path / "out", settings, say=said.append)
    assert description.calibration is not None
    image, pixel = (description.calibration["auroc"][f"{n}_auroc"] for n in ("image", "pixel"))
    expected = f"image AUROC: {100 * image['before']:.2f} before, {100 * image['after']:.2f} after"
    assert said[2].startswith(expected)
    assert pixel == {"before": None, "after": None}  # there are no masks
    assert said[3] == "pixel AUROC: not defined on these images"


def test_int8_without_labels_says_so(detector: Detector, parts: Path, tmp_path: Path) -> None:
    said: list[str] = []
    settings = ExportSettings(precision="int8", calibrate=str(parts / "normal"))
    export_model(detector, tmp_path / "out", settings, say=said.append)
    assert said[2].startswith("AUROC: not measured: normal has")
    stored = json.loads((tmp_path / "out" / "model.json").read_text())["calibration"]
    assert stored == {"name": "normal", "images": 3, "auroc": None}


def test_a_model_that_differs_is_not_written(
    detector: Detector, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ExportSettings(parity_images=str(parts))
    export_model(detector, tmp_path / "out", settings)
    before = (tmp_path / "out" / "model.json").read_bytes()
    monkeypatch.setitem(BOUNDS, "fp32", 0.0)
    said: list[str] = []
    for name in ("out", "new"):
        with pytest.raises(ExportError, match=r"the fp32 model differs .* Nothing was written"):
            export_model(detector, tmp_path / name, settings, say=said.append)
    assert len(said) == 4  # the differences are shown all the same
    assert (tmp_path / "out" / "model.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "parts"]


def test_unreadable_calibration_images_are_left_out(
    detector: Detector, parts: Path, tmp_path: Path
) -> None:
    (parts / "normal" / "0.png").write_bytes(b"no image")
    settings = ExportSettings(precision="int8", calibrate=str(parts))
    export_model(detector, tmp_path / "out", settings)
    for path in parts.rglob("*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match="no image there can be read; int8 needs some dozens"):
        export_model(detector, tmp_path / "new", settings)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"form": "tflite"}, "format must be one of onnx, openvino; got 'tflite'"),
        ({"precision": "fp8"}, "precision must be one of fp32, fp16, bf16, int8; got 'fp8'"),
        ({"precision": "bf16"}, "bf16 needs --format openvino; onnx has no products in it"),
        ({"precision": "int8"}, "int8 needs --calibrate FOLDER"),
        ({"calibrate": "x"}, "--calibrate is for int8; the precision is fp32"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ExportSettings(**values)
