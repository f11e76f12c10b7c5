"""Exported graphs against the detector that they were made of, on random weights."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from graphs import small_detector

from faprompt.deploy.graph import pipeline, write_onnx
from faprompt.deploy.openvino import write_openvino
from faprompt.deploy.quantise import quantise
from faprompt.detection.detector import Detector
from faprompt.errors import ConfigError, ExportError
from faprompt.runtime.sessions import Session, onnx_session, openvino_session


@pytest.fixture(scope="module")
def detector() -> Detector:
    return small_detector()


@pytest.fixture(scope="module")
def graph(detector: Detector, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The fp32 graph, and the names of its products with weights."""
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    return path, write_onnx(pipeline(detector), path)


def pixels(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(seed))


def differences(detector: Detector, session: Session, batch: torch.Tensor) -> tuple[float, float]:
    expected = detector.score(batch)
    found = session(batch.numpy())
    return tuple(  # type: ignore[return-value]
        float(np.abs(f - e.numpy()).max()) for f, e in zip(found[:2], expected, strict=True)
    )


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_one_graph_takes_any_number_of_images(
    engine: str, detector: Detector, graph: tuple[Path, list[str]], tmp_path: Path
) -> None:
    if engine == "onnx":
        session = onnx_session(graph[0], device="cpu", threads=1)
    else:
        write_openvino(graph[0], tmp_path / "model.xml", half=False)
        session = openvino_session(
            tmp_path / "model.xml", device="cpu", threads=1, precision="fp32"
        )
    for count in (1, 2, 5):
        assert max(differences(detector, session, pixels(count, seed=count))) < 1e-5


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_areas_and_responses_are_inside(
    engine: str, detector: Detector, graph: tuple[Path, list[str]], tmp_path: Path
) -> None:
    write_openvino(graph[0], tmp_path / "model.xml", half=False)
    path = graph[0] if engine == "onnx" else tmp_path / "model.xml"
    session = (
        onnx_session(path, device="cpu", threads=1)
        if engine == "onnx"
        else openvino_session(path, device="cpu", threads=1, precision="fp32")
    )
    batch, keep = pixels(3), torch.rand(3, 16, generator=torch.Generator().manual_seed(2)) > 0.5
    keep[1] = False
    keep[1, 5] = True  # far fewer than the prior takes
    dual = detector.backbone.clip.visual.dual(batch)
    scores = detector.network(dual.image, dual.patches(), keep=keep, responses=True)
    maps = scores.anomaly_map(64, blur_sigma=detector.network.config.blur_sigma)
    found = session(batch.numpy(), keep.numpy())
    for value, expected in zip(found, (scores.image_score, maps, scores.responses), strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-5)


def test_both_rounds_are_inside(detector: Detector, graph: tuple[Path, list[str]]) -> None:
    """The prior differs from image to image, and with it what the second round says."""
    batch = pixels(4)
    session = onnx_session(graph[0], device="cpu", threads=1)
    assert max(differences(detector, session, batch)) < 1e-5
    dual = detector.backbone.clip.visual.dual(batch)
    scores = detector.network(dual.image, dual.patches())
    first_alone = scores.first[..., 1].amax(dim=1)
    assert (torch.from_numpy(session(batch.numpy())[0]) - first_alone).abs().max() > 1e-3
    assert scores.prior.std(dim=0).max() > 1e-3


def test_text_is_folded_and_nothing_tells_of_the_machine(graph: tuple[Path, list[str]]) -> None:
    model = onnx.load(graph[0])
    assert [value.name for value in model.graph.input] == ["pixels", "keep"]
    outputs = [value.name for value in model.graph.output]
    assert outputs == ["image_score", "anomaly_map", "responses"]
    assert model.opset_import[0].version >= 18
    shapes = {tuple(tensor.dims) for tensor in model.graph.initializer}
    assert (10, 32) not in shapes  # the token table: only five of its rows are ever read
    assert str(Path.cwd()).encode() not in graph[0].read_bytes()
    assert b"faprompt/" not in graph[0].read_bytes()


@pytest.mark.parametrize(
    ("conv_stem", "prior_gather", "half"), [(True, "top", False), (False, "first", True)]
)
def test_other_stems_gathers_and_half_weights(
    conv_stem: bool, prior_gather: str, half: bool, tmp_path: Path
) -> None:
    detector = small_detector(conv_stem=conv_stem, prior_gather=prior_gather)
    write_onnx(pipeline(detector, half=half), tmp_path / "model.onnx")
    session = onnx_session(tmp_path / "model.onnx", device="cpu", threads=1)
    largest = max(differences(detector, session, pixels(3)))
    assert largest < (1e-2 if half else 1e-5)
    kinds = {t.data_type for t in onnx.load(tmp_path / "model.onnx").graph.initializer}
    assert (onnx.TensorProto.FLOAT16 in kinds) == half


def test_exporting_half_leaves_the_detector_as_it_was(detector: Detector) -> None:
    before = detector.score(pixels(1))[0]
    pipeline(detector, half=True)
    assert detector.backbone.clip.visual.proj.dtype == torch.float32
    torch.testing.assert_close(detector.score(pixels(1))[0], before, rtol=0, atol=0)


def test_int8_products_are_those_of_the_image_tower(
    detector: Detector, graph: tuple[Path, list[str]], tmp_path: Path
) -> None:
    path, products = graph
    # qkv, both perceptron layers, out_proj (twice where there are two readings), read-outs
    assert 2 * 4 <= len(products) <= 2 * 4 + 3
    quantise(path, tmp_path / "model.onnx", products, iter(pixels(4).numpy()))
    model = onnx.load(tmp_path / "model.onnx")
    int8 = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT8]
    assert len(int8) >= 2 * 4
    session = onnx_session(tmp_path / "model.onnx", device="cpu", threads=1)
    largest = max(differences(detector, session, pixels(4)))
    assert 1e-6 < largest < 0.1


def test_nothing_to_quantise_is_an_error(graph: tuple[Path, list[str]], tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no matrix products with weights found"):
        quantise(graph[0], tmp_path / "x.onnx", [], [])


def test_a_model_in_bf16_is_refused() -> None:
    detector = small_detector()
    detector.backbone.clip.bfloat16()
    with pytest.raises(ConfigError, match=r"torch\.bfloat16 on cpu; needed is fp32 on the CPU"):
        pipeline(detector)
