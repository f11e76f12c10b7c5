"""A small detector with random weights, and images with a square that it may or may not find."""

from pathlib import Path

import numpy as np
import pytest
import torch
from micro import SPEC, picture
from PIL import Image

from faprompt.clip.model import Clip
from faprompt.clip.weights import Backbone
from faprompt.config import MethodConfig
from faprompt.detection.detector import Detector
from faprompt.method.checkpoint import Header
from faprompt.method.network import FAPrompt


@pytest.fixture(scope="session")
def detector() -> Detector:
    torch.manual_seed(0)
    backbone = Backbone(Clip(SPEC).frozen(), SPEC, checksum="0" * 64, source="random")
    network = FAPrompt(backbone.clip, MethodConfig(blur_sigma=2.0)).eval().requires_grad_(False)
    header = Header(
        method=network.config,
        backbone="micro",
        backbone_checksum=backbone.checksum,
        input_size=64,
        colour_limits=(0.4, 0.6),
    )
    return Detector(network, backbone, header)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two normal and two anomalous images with masks, in an MVTec-like class folder."""
    root = tmp_path / "part"
    for kind in ("good", "hole"):
        (root / "test" / kind).mkdir(parents=True)
    (root / "ground_truth" / "hole").mkdir(parents=True)
    for i in range(2):
        picture(i).save(root / "test" / "good" / f"{i}.png")
        picture(10 + i).save(root / "test" / "hole" / f"{i}.png")
        mask = np.zeros((32, 48), np.uint8)
        mask[8:20, 10:30] = 255
        Image.fromarray(mask).save(root / "ground_truth" / "hole" / f"{i}_mask.png")
    return root
