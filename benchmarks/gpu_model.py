"""The model that the GPU benchmark measures: random weights, one forward, coarse noise."""

from collections.abc import Callable

import torch
from cuda_timing import milliseconds_of
from machine import DTYPES
from torch import Tensor
from torch.nn.functional import interpolate, linear

from faprompt import Detector
from faprompt.clip.model import Clip
from faprompt.clip.registry import get_spec
from faprompt.clip.weights import Backbone
from faprompt.config import MethodConfig
from faprompt.method.checkpoint import Header
from faprompt.method.network import FAPrompt

FLOP_PER_IMAGE = 1.2e12  # ViT-L-14-336 at 518 px


def random_detector(name: str, device: str, precision: str) -> Detector:
    """A detector of random weights, built where it runs."""
    torch.manual_seed(0)
    spec, config = get_spec(name), MethodConfig()
    with torch.device(device):
        clip = Clip(spec).frozen().to(DTYPES[precision])
        network = FAPrompt(clip, config).eval().requires_grad_(False)
    network.learner.float()
    if spec.conv_stem:
        clip.visual.conv1.float()
    header = Header(
        method=config, backbone=name, backbone_checksum="", input_size=spec.default_size
    )
    return Detector(network, Backbone(clip, spec, "", "random"), header)


def whole_forward(detector: Detector, images: Tensor) -> Callable[[], dict[str, Tensor]]:
    """From normalised pixels on the device to image scores and maps, both rounds inside."""
    network, visual = detector.network, detector.backbone.clip.visual
    with torch.inference_mode():
        text = network.static_text()

    @torch.inference_mode()
    def run() -> dict[str, Tensor]:
        dual = visual.dual(images)
        scores = network(dual.image, dual.patches(), text=text)
        maps = scores.anomaly_map(detector.input_size, blur_sigma=network.config.blur_sigma)
        return {"image_score": scores.image_score, "anomaly_map": maps}

    return run


def noise(detector: Detector, batch: int, seed: int = 0) -> Tensor:
    """Coarse noise as normalised pixels (B, 3, S, S), on the detector's device."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(batch, 3, 16, 16, generator=generator).to(detector.device)
    size = (detector.input_size,) * 2
    return interpolate(coarse, size=size, mode="bicubic")


def cpu_backbone(detector: Detector) -> Backbone:
    """The detector's backbone, moved to the CPU."""
    old = detector.backbone
    return Backbone(old.clip.cpu(), old.spec, old.checksum, old.source)


def seconds_of_an_image() -> float:
    """What one image of the full backbone will take on this CPU in fp32, about."""
    x, weight = torch.randn(1370, 1024), torch.randn(4096, 1024)
    return milliseconds_of(lambda: linear(x, weight), "cpu") / 1000 * FLOP_PER_IMAGE / 11.5e9
