"""A model of random weights as files, and folders of noise, for commands as a user types them."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from faprompt.cli.main import load_commands
from faprompt.clip.model import Clip
from faprompt.clip.registry import get_spec
from faprompt.clip.weights import load_backbone
from faprompt.config import MethodConfig
from faprompt.method.checkpoint import Header, save_checkpoint
from faprompt.method.network import FAPrompt


def save_random_model(folder: Path) -> list[str]:
    """Options that name a random model of the size of ``tiny``, for inputs of 64 pixels."""
    torch.manual_seed(0)
    save_file(Clip(get_spec("tiny")).state_dict(), folder / "weights.safetensors")
    backbone = load_backbone("tiny", weights=folder / "weights.safetensors")
    config = MethodConfig(blur_sigma=2.0)
    header = Header(
        method=config, backbone="tiny", backbone_checksum=backbone.checksum, input_size=64
    )
    learner = FAPrompt(backbone.clip, config).learner.state_dict()
    save_checkpoint(folder / "prompts.safetensors", learner, header)
    weights = str(folder / "weights.safetensors")
    return ["--model", str(folder / "prompts.safetensors"), "--weights", weights]


def noisy_parts(folder: Path, each: int = 2) -> Path:
    """Folders ``normal``, ``anomalous`` and ``masks`` with images of noise."""
    rng = np.random.default_rng(0)
    for kind in ("normal", "anomalous", "masks"):
        (folder / kind).mkdir(parents=True)
    for kind in ("normal", "anomalous"):
        for i in range(each):
            pixels = rng.integers(0, 255, (40, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / kind / f"{kind[0]}{i}.png")
    mask = np.zeros((40, 30), dtype=np.uint8)
    for i in range(each):
        mask[5 : 20 + i, 5:20] = 255
        Image.fromarray(mask).save(folder / "masks" / f"a{i}.png")
    return folder


def run(*args: object, text: str | None = None) -> Result:
    """Run a command; our errors come back as ``result.exception``."""
    return CliRunner().invoke(load_commands(), [str(arg) for arg in args], input=text)
