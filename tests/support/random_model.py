"""The smallest model that commands can load: random prompts on random weights of ``tiny``."""

from pathlib import Path

import torch
from safetensors.torch import save_file

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
