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


def random_model(folder: Path) -> list[str]:
    """Write a model that reads 64x64 pixels; returns the options that name it."""
    prompts, weights = folder / "prompts.safetensors", folder / "weights.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(Clip(get_spec("tiny")).state_dict(), weights)
        backbone = load_backbone("tiny", weights=weights)
        config = MethodConfig(blur_sigma=2.0)
        learner = FAPrompt(backbone.clip, config).learner.state_dict()
    header = Header(
        method=config, backbone="tiny", backbone_checksum=backbone.checksum, input_size=64
    )
    save_checkpoint(prompts, learner, header)
    return ["--model", str(prompts), "--weights", str(weights)]


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
