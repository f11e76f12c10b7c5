"""The runtime on a graph whose answers are known, with both engines and without torch."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from graphs import MEAN, SIDE, STD, simple_scores, write_simple_model
from PIL import Image

from faprompt.data.hashing import content_hash
from faprompt.detection.areas import Areas
from faprompt.detection.look import Look
from faprompt.detection.station import Scored, Station
from faprompt.detection.tiling import Tiling
from faprompt.errors import CheckpointError, ConfigError, DataError, StationError
from faprompt.runtime import Runtime
from faprompt.runtime.pixels import preprocess, to_original

RNG = np.random.default_rng(0)
IMAGES = [Image.fromarray(RNG.integers(0, 256, (20, 31, 3), dtype=np.uint8)) for _ in range(5)]

WITHOUT_TORCH = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "cv2", "onnx", "safetensors", "typer"}:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
from faprompt.runtime import Runtime
from faprompt.detection.areas import Areas
from faprompt.detection.look import Look
from faprompt.detection.regions import find_regions
runtime = Runtime.load(sys.argv[1], threads=1)
prediction = runtime.predict(sys.argv[2])
prediction.overlay()
look = Look(areas=Areas.parse(["0,0 9,0 9,9 0,9"]), responses=True)
masked = runtime.predict(sys.argv[2], look=look)
(region,) = find_regions(masked.anomaly_map, 1e-6, responses=masked.responses)
assert (region.box, len(region.prompts)) == ((0, 0, 9, 9), 1)
assert not {"torch", "cv2"} & set(sys.modules)
print(prediction.image_score)
"""


@pytest.fixture(scope="module", params=["onnx", "openvino"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_simple_model(tmp_path_factory.mktemp("model"), form=request.param)


@pytest.fixture(scope="module")
def runtime(folder: Path) -> Runtime:
    return Runtime.load(folder, threads=1)


def expected(image: Image.Image) -> tuple[float, Any]:
    scores, maps = simple_scores(preprocess(image, size=SIDE, mean=MEAN, std=STD)[None])
    return float(scores[0]), to_original(maps[0], image.size)


def test_a_prediction_has_the_fields_of_the_detector(runtime: Runtime, tmp_path: Path) -> None:
    IMAGES[0].save(tmp_path / "a.png")
    found = runtime.predict(tmp_path / "a.png")
    score, anomaly_map = expected(IMAGES[0])
    assert found.image_score == pytest.approx(score, abs=1e-6)
    np.testing.assert_allclose(found.anomaly_map, anomaly_map, atol=1e-6)
    assert found.anomaly_map.dtype == np.float32
    assert found.path == str(tmp_path / "a.png")
    assert found.colour_limits == (0.4, 0.6)
    assert found.overlay().size == (31, 20)


def test_every_form_of_an_image_gives_the_same_answer(runtime: Runtime) -> None:
    array = np.array(IMAGES[1])
    forms: list[Any] = [IMAGES[1], array, torch.from_numpy(array).permute(2, 0, 1)]
    assert len({runtime.predict(form).image_score for form in forms}) == 1


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 0), (2, 2), (8, 1)])
def test_streams_keep_their_order(runtime: Runtime, batch_size: int, workers: int) -> None:
    stream = runtime.predict(iter(IMAGES), batch_size=batch_size, workers=workers)
    scores = [prediction.image_score for prediction in stream]
    assert scores == pytest.approx([expected(image)[0] for image in IMAGES], abs=1e-6)


def test_an_endless_stream_is_read_a_bounded_way_ahead(runtime: Runtime) -> None:
    taken = 0

    def endless() -> Iterator[Image.Image]:
        nonlocal taken
        for i in count():
            taken += 1
            yield IMAGES[i % 5]

    stream = runtime.predict(endless(), batch_size=2, workers=2)
    assert len(list(islice(stream, 4))) == 4
    assert taken <= 4 + 2 * 2
    stream.close()  # type: ignore[attr-defined]


def test_a_bad_image_costs_no_good_one(runtime: Runtime, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    sources = [IMAGES[0], tmp_path / "bad.png", IMAGES[1]]
    failed: list[Any] = []
    stream = runtime.predict(sources, on_error=lambda source, _: failed.append(source))
    assert len(list(stream)) == 2
    assert failed == [tmp_path / "bad.png"]
    with pytest.raises(DataError, match=r"bad\.png"):
        list(runtime.predict(sources))


def test_results_do_not_change_when_the_next_batch_is_scored(runtime: Runtime) -> None:
    first, _ = runtime.predict(IMAGES[:2], batch_size=1)
    np.testing.assert_allclose(first.anomaly_map, expected(IMAGES[0])[1], atol=1e-6)


def test_it_runs_where_there_is_no_torch(folder: Path, tmp_path: Path) -> None:
    IMAGES[2].save(tmp_path / "a.png")
    command = [sys.executable, "-c", WITHOUT_TORCH, str(folder), str(tmp_path / "a.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(expected(IMAGES[2])[0], abs=1e-6)


def test_it_looks_by_windows_as_the_detector_does(runtime: Runtime) -> None:
    found = runtime.predict(IMAGES[0], look=Look(tiling=Tiling(tile=20)))
    assert found.anomaly_map.shape == (20, 31)
    windows = [IMAGES[0].crop((left, 0, left + 20, 20)) for left in (0, 11)]
    scores = [runtime.predict(window).image_score for window in windows]
    assert found.image_score == pytest.approx(max(scores), abs=1e-6)
    first, second = (runtime.predict(window).anomaly_map for window in windows)
    np.testing.assert_allclose(found.anomaly_map[:, :11], first[:, :11], atol=1e-6)
    np.testing.assert_allclose(found.anomaly_map[:, 20:], second[:, 9:], atol=1e-6)


def test_pixels_of_another_shape_are_refused(runtime: Runtime) -> None:
    with pytest.raises(ConfigError, match=r"shape \(1, 3, 8, 8\); needed is \(B, 3, S, S\) with S"):
        runtime.score(np.zeros((1, 3, 8, 8), np.float32))


def test_areas_reach_the_graph_and_its_responses_come_back(runtime: Runtime) -> None:
    """The images are 31 x 20, the grid 4 x 4; the simple graph responds where a patch counts."""
    look = Look(areas=Areas.parse(ignore=["16,0 31,0 31,20 16,20"]), responses=True)
    for found in runtime.predict(IMAGES, look=look, batch_size=2):
        assert found.responses is not None
        assert found.responses.tolist() == [[[1, 1, 1, 0]] * 4]  # the third has a column left
        assert not found.anomaly_map[:, 16:].any()
        assert found.anomaly_map[:, :16].all()
    assert runtime.predict(IMAGES[0]).responses is None


def test_an_unknown_device_is_named_with_the_known_ones(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"device 'tpu': this .+ has .*cpu"):
        Runtime.load(folder, device="tpu")


def test_an_fp16_model_of_openvino_is_never_computed_in_bf16(tmp_path: Path) -> None:
    folder = write_simple_model(tmp_path, form="openvino", precision="fp16")
    found = Runtime.load(folder, threads=1).predict(IMAGES[0])
    assert found.image_score == pytest.approx(expected(IMAGES[0])[0], abs=5e-4)


def test_a_bf16_model_asks_openvino_for_it_where_the_processor_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import openvino

    core, asked = openvino.Core(), []
    compile_model = openvino.Core.compile_model

    def noted(self: Any, path: str, name: str, settings: dict[str, Any]) -> Any:
        asked.append(settings["INFERENCE_PRECISION_HINT"])
        return compile_model(self, path, name, settings)

    monkeypatch.setattr(openvino.Core, "compile_model", noted)
    folder = write_simple_model(tmp_path, form="openvino", precision="bf16")
    found = Runtime.load(folder, threads=1).predict(IMAGES[0])
    able = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert asked == ["bf16" if able else "f32"]
    assert found.image_score == pytest.approx(expected(IMAGES[0])[0], abs=1e-2)


def _change(folder: Path, **values: Any) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": "other"}, "not of an exported model"),
        ({"format_version": 1}, "format version 1, this release reads 2"),
        ({"mean": [0.5]}, "mean has 1 values"),
        ({"input_size": 0}, "input_size is 0"),
        ({"precision": "fp8"}, "fp8"),
        ({"unknown": 1}, "unexpected keyword"),
        ({"mean": [0, 0, float("nan")]}, "not finite"),
        ({"input_size": 10**9}, "input_size is 1000000000"),
        ({"files": {"../model.onnx": "0"}}, "files are not names with checksums"),
        ({"files": ["model.onnx"]}, "files are not names with checksums"),
        ({"files": {"model.onnx": "", "model.onnx.data": ""}}, r"model\.onnx\.data missing"),
    ],
)
def test_a_damaged_description_is_named(
    values: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = write_simple_model(tmp_path)
    _change(folder, **values)
    with pytest.raises(CheckpointError, match=message):
        Runtime.load(folder)


def test_a_folder_without_a_model_and_a_damaged_graph_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no model\.json there; needed is a folder written"):
        Runtime.load(tmp_path)
    write_simple_model(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"nothing")
    _change(tmp_path, files={"model.onnx": content_hash(tmp_path / "model.onnx")})
    with pytest.raises(CheckpointError, match=r"model\.onnx: cannot be used .*export the model"):
        Runtime.load(tmp_path)


def test_a_flipped_bit_is_refused_before_the_engine_sees_it(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    name = max(Runtime.load(copy).description.files)
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{name}: damaged: its SHA-256 is .*, expected"):
        Runtime.load(copy)


def test_a_missing_engine_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"pip install 'faprompt\[onnx\]', or onnxruntime alone"):
        Runtime.load(write_simple_model(tmp_path))


def station_for(folder: Path, **changes: Any) -> Station:
    """Calibrated on 20 shades; NG above the brightest."""
    runtime = Runtime.load(folder, threads=1)
    greys = [runtime.predict(np.full((4, 4), shade, np.uint8)) for shade in range(60, 80)]
    normal = tuple(
        Scored(sha256=str(i), image_score=grey.image_score, peak=float(grey.anomaly_map.max()))
        for i, grey in enumerate(greys)
    )
    values: dict[str, Any] = {
        "product": "grey",
        "false_alarms": 0.05,
        "review_rate": 0.5,
        "normal": normal,
    }
    return Station(**values | runtime.identity | changes)


@pytest.fixture
def with_station(folder: Path, tmp_path: Path) -> Path:
    copy = Path(shutil.copytree(folder, tmp_path / "model"))
    station_for(folder).write(copy / "station.json")
    return copy


def test_a_station_beside_the_model_decides(with_station: Path, folder: Path) -> None:
    runtime = Runtime.load(with_station, threads=1)
    shades = {40: "OK", 75: "UNSURE", 120: "NG"}
    for shade, verdict in shades.items():
        prediction = runtime.predict(np.full((9, 5), shade, np.uint8))
        assert runtime.station is not None
        assert prediction.decision == runtime.station.decide(prediction.image_score)
        assert prediction.decision.verdict == verdict
    assert Runtime.load(folder, threads=1).predict(IMAGES[0]).decision is None


def test_a_station_decides_without_torch(with_station: Path, tmp_path: Path) -> None:
    Image.new("L", (9, 5), 200).save(tmp_path / "a.png")
    whole, _, _ = WITHOUT_TORCH.partition("look = Look")
    code = f"{whole}print(prediction.decision.verdict)"
    command = [sys.executable, "-c", code, str(with_station), str(tmp_path / "a.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "NG\n"), done.stderr


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"model_sha256": "f" * 64}, r"station\.json: calibrated for the model ffffffffffff"),
        ({"precision": "int8"}, r"station\.json: calibrated in int8, used in fp32"),
    ],
)
def test_a_station_of_another_model_is_refused(
    changes: dict[str, Any], text: str, with_station: Path, folder: Path
) -> None:
    station_for(folder, **changes).write(with_station / "station.json")
    with pytest.raises(StationError, match=text):
        Runtime.load(with_station, threads=1)


def test_a_station_with_other_settings_is_refused_when_it_is_used(
    with_station: Path, folder: Path
) -> None:
    station_for(folder, settings={"tile": 518}).write(with_station / "station.json")
    runtime = Runtime.load(with_station, threads=1)
    with pytest.raises(StationError, match="tile was 518, now None"):
        runtime.predict(IMAGES[0])
