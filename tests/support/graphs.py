"""A model for the runtime that anybody can compute in their head, and detectors to export."""

from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

from faprompt.clip.model import Clip
from faprompt.clip.registry import ClipSpec, PromptTokens, TowerSize
from faprompt.clip.weights import Backbone
from faprompt.config import MethodConfig
from faprompt.data.hashing import content_hash
from faprompt.detection.detector import Detector
from faprompt.method.checkpoint import Header
from faprompt.method.network import FAPrompt
from faprompt.runtime.description import Description
from faprompt.runtime.sessions import HINTS

SIDE, GRID = 32, 4
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)


def write_simple_graph(path: Path, side: int = SIDE) -> None:
    """The map is the sigmoid of the three channels' mean, the score its largest value.

    The one prompt responds where a patch counts.
    """
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["pixels", "channel"], ["grey"], keepdims=0),
            helper.make_node("Sigmoid", ["grey"], ["anomaly_map"]),
            helper.make_node("ReduceMax", ["anomaly_map", "plane"], ["image_score"], keepdims=0),
            helper.make_node("Cast", ["keep"], ["counting"], to=floats),
            helper.make_node("Unsqueeze", ["counting", "last"], ["responses"]),
        ],
        "simple",
        [
            helper.make_tensor_value_info("pixels", floats, ["batch", 3, side, side]),
            helper.make_tensor_value_info("keep", TensorProto.BOOL, ["batch", GRID * GRID]),
        ],
        [
            helper.make_tensor_value_info("image_score", floats, ["batch"]),
            helper.make_tensor_value_info("anomaly_map", floats, ["batch", side, side]),
            helper.make_tensor_value_info("responses", floats, ["batch", GRID * GRID, 1]),
        ],
        [
            helper.make_tensor("channel", TensorProto.INT64, [1], [1]),
            helper.make_tensor("plane", TensorProto.INT64, [2], [1, 2]),
            helper.make_tensor("last", TensorProto.INT64, [1], [2]),
        ],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)


def simple_scores(
    pixels: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the simple graph computes."""
    maps = 1 / (1 + np.exp(-pixels.mean(axis=1)))
    return maps.max(axis=(1, 2)), maps


def write_simple_model(folder: Path, *, form: str = "onnx", precision: str = "fp32") -> Path:
    """The simple graph as ``faprompt export`` would leave it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_simple_graph(folder / "model.onnx")
    names = ["model.onnx"]
    if form == "openvino":
        from faprompt.deploy.openvino import write_openvino

        half = precision in HINTS
        write_openvino(folder / "model.onnx", folder / "model.xml", half=half)
        names = ["model.xml", "model.bin"]
    Description(
        form=form,
        precision=precision,
        input_size=SIDE,
        mean=MEAN,
        std=STD,
        colour_limits=(0.4, 0.6),
        blur_sigma=1.0,
        checkpoint_sha256="1" * 64,
        backbone="micro",
        backbone_checksum="2" * 64,
        files={name: content_hash(folder / name) for name in names},
        versions={},
        parity={},
    ).write(folder)
    return folder


def small_detector(*, conv_stem: bool = False, prior_gather: str = "top") -> Detector:
    """Random weights; the positions are resized, as those of large backbones are."""
    torch.manual_seed(0)
    spec = ClipSpec(
        name="micro",
        image=TowerSize(layers=2, width=64, heads=2),
        text=TowerSize(layers=2, width=32, heads=2),
        embed_dim=24,
        patch_size=16,
        native_size=48,
        default_size=64,
        dual_blocks=1,
        quick_gelu=not conv_stem,
        context_length=16,
        vocab_size=10,
        tokens=PromptTokens(start=0, end=1, object=2, damaged=3, full_stop=4),
        conv_stem=conv_stem,
    )
    config = MethodConfig(blur_sigma=2.0, num_deep_prompts=1, prior_gather=prior_gather)  # type: ignore[arg-type]
    backbone = Backbone(Clip(spec).frozen(), spec, checksum="0" * 64, source="random")
    network = FAPrompt(backbone.clip, config).eval().requires_grad_(False)
    for parameter in network.learner.parameters():
        parameter.mul_(5)  # else random prompts tell nothing apart
    header = Header(
        method=config,
        backbone="micro",
        backbone_checksum=backbone.checksum,
        input_size=64,
        colour_limits=(0.4, 0.6),
    )
    return Detector(network, backbone, header, checksum="1" * 64)
