"""The whole pipeline as one ONNX graph: from normalised pixels to image score and anomaly map.

No second implementation: the modules of the detector are composed and traced as they are.

Shapes: B images, S input side in pixels, D joint width, L patches, K abnormality prompts.
"""

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from faprompt.clip.image_encoder import ImageEncoder
from faprompt.deploy.quiet import quiet
from faprompt.detection.detector import Detector
from faprompt.errors import ConfigError
from faprompt.method.network import FAPrompt
from faprompt.runtime.sessions import INPUT, KEEP, OUTPUTS

OPSET = 18
EXTERNAL_ABOVE = 1_000_000_000
"""Bytes of weights beyond which they lie beside the graph: an ONNX file holds 2 GB at most."""
FOLDED_INPUT, FOLDED_OUTPUT = 2**31, 2**28
"""Bytes of constants up to which constant operations are done at export; the largest is the token
table of ViT-L, of which five rows are read."""
SCOPES = "pkg.torch.onnx.name_scopes"
TOWER = "features"


class _Features(nn.Module):
    """The image tower's dual path, with a name of its own in the graph."""

    def __init__(self, visual: ImageEncoder) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, S, S) to image features (B, D) and patch features (B, L, D)."""
        dual = self.visual.dual(pixels)
        return dual.image, dual.patches()


class Pipeline(nn.Module):
    """Image tower, both rounds, resize and blur; what depends on no image is a constant."""

    def __init__(self, visual: ImageEncoder, network: FAPrompt, input_size: int) -> None:
        super().__init__()
        self.features = _Features(visual)
        self.network = network
        self.input_size = input_size
        with torch.no_grad():
            self.text = network.static_text()

    @property
    def patches(self) -> int:
        """L."""
        return (self.input_size // self.features.visual.patch_size) ** 2

    def forward(self, pixels: Tensor, keep: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """From normalised pixels (B, 3, S, S), and which patches count, bool (B, L).

        Returns:
            Image scores (B,), anomaly maps (B, S, S), shares of the prompts (B, L, K).
        """
        image, patches = self.features(pixels)
        scores = self.network(image, patches, text=self.text, keep=keep, responses=True)
        maps = scores.anomaly_map(self.input_size, blur_sigma=self.network.config.blur_sigma)
        assert scores.responses is not None
        return scores.image_score, maps, scores.responses


def pipeline(detector: Detector, *, half: bool = False) -> Pipeline:
    """The detector as one module.

    Args:
        detector: In fp32, on the CPU.
        half: Towers in fp16; similarities, softmax, prior and maps stay fp32.

    Raises:
        ConfigError: the detector is not in fp32 on the CPU.
    """
    scale = detector.backbone.clip.logit_scale
    if scale.dtype != torch.float32 or scale.device.type != "cpu":
        raise ConfigError(
            f"the model to export is in {scale.dtype} on {scale.device}; needed is fp32 on the CPU"
        )
    visual, network = detector.backbone.clip.visual, detector.network
    if half:
        visual, network = copy.deepcopy(visual).half(), copy.deepcopy(network)
        network.text_encoder.half()
    return Pipeline(visual, network, detector.input_size).eval()


def write_onnx(module: Pipeline, path: Path) -> list[str]:
    """Trace the pipeline for any number of images, fold constants, check and write it.

    Returns:
        Names of the matrix products with weights in the image tower: what int8 pays for.

    Raises:
        ConfigError: the packages for it are not installed.
    """
    program = _trace(module)
    _fold(program.model)
    model = program.model
    products = [
        str(node.name)
        for node in model.graph
        if node.op_type in {"MatMul", "Gemm"}
        and TOWER in node.metadata_props.get(SCOPES, "")
        and any(value is not None and value.const_value is not None for value in node.inputs)
    ]
    for node in model.graph.all_nodes():
        node.metadata_props.clear()  # traces of the source, with this machine's paths
    weights = sum(value.const_value.nbytes for value in model.graph.initializers.values())
    program.save(str(path), external_data=weights > EXTERNAL_ABOVE)
    import onnx

    onnx.checker.check_model(str(path))
    return products


def _trace(module: Pipeline) -> Any:
    side = module.input_size
    # A batch of 1 would be taken for a constant.
    example = torch.zeros(2, 3, side, side), torch.ones(2, module.patches, dtype=torch.bool)
    batch = torch.export.Dim("batch")
    try:
        with quiet("torch.onnx", "torch.export"), torch.no_grad():
            # Strict, because the other way takes len(x) of a batch for a constant.
            traced = torch.export.export(
                module, example, dynamic_shapes=({0: batch}, {0: batch}), strict=True
            )
            return torch.onnx.export(
                traced,
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT, KEEP],
                output_names=list(OUTPUTS),
                dynamic_shapes={INPUT: {0: "batch"}, KEEP: {0: "batch"}},
                verbose=False,
            )
    except ImportError as error:
        raise ConfigError(
            f"exporting needs {error.name or error}, which is not installed: "
            "pip install 'faprompt[onnx]'"
        ) from None


def _fold(model: Any) -> None:
    from onnxscript import optimizer

    with quiet("onnxscript", ""):
        optimizer.optimize(model, input_size_limit=FOLDED_INPUT, output_size_limit=FOLDED_OUTPUT)
