"""AnomalyCLIP: object-agnostic prompts (ICLR 2024, arXiv:2310.18961, zqhang/AnomalyCLIP).

normality prompt     SOT V1 .. V12 object . EOT
abnormality prompt   SOT W1 .. W12 damaged object . EOT

Deep text prompts, and local features of several blocks: each block has a map and a loss, the final
map is their mean. The image score is that of the image feature alone.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from faprompt.clip.attention import normal_parameter
from faprompt.clip.image_encoder import Reading
from faprompt.clip.registry import ClipSpec
from faprompt.clip.weights import Backbone
from faprompt.config import MethodConfig
from faprompt.errors import CheckpointError
from faprompt.method.checkpoint import fill_learner
from faprompt.method.importing import read_released
from faprompt.method.released import (
    DEEP_NAME,
    FROZEN_PREFIXES,
    UNUSED_PREFIX,
    check_frozen,
)
from faprompt.protocol.rivals.base import Method, ready
from faprompt.protocol.rivals.clip import MAPS
from faprompt.protocol.rivals.learned import LearnedPair, Words
from faprompt.training.networks import Kind

NAME, TITLE = "anomalyclip", "AnomalyCLIP"
QUARTERS = 4


class AgnosticPrompts(nn.Module):
    """The learnable tokens of both prompts, and the deep ones that they share."""

    def __init__(self, width: int, config: MethodConfig) -> None:
        super().__init__()
        std = config.token_init_std
        self.normal_tokens = normal_parameter(config.num_normal_tokens, width, std=std)  # V
        self.abnormal_tokens = normal_parameter(config.num_abnormal_tokens, width, std=std)  # W
        self.deep_tokens = normal_parameter(
            config.num_deep_prompts, config.deep_prompt_length, width, std=std
        )
        self.fp16_deep_prompts = config.fp16_deep_prompts

    def pair(self) -> tuple[Tensor, Tensor]:
        """Learnable tokens of the normality and of the abnormality prompt, (E, W) each."""
        return self.normal_tokens, self.abnormal_tokens

    def deep(self) -> Tensor | None:
        """Deep prompts (J, N, W), in fp16 resolution where the settings ask for it."""
        if not len(self.deep_tokens):
            return None
        rounded = self.deep_tokens.half().to(self.deep_tokens.dtype)
        return rounded if self.fp16_deep_prompts else self.deep_tokens


def build(backbone: Backbone, config: MethodConfig) -> LearnedPair:
    """AnomalyCLIP on a backbone."""
    tokens = backbone.spec.tokens
    tail = [tokens.object, tokens.full_stop, tokens.end]
    return LearnedPair(
        backbone.clip,
        config,
        AgnosticPrompts(backbone.spec.text.width, config),
        words=Words(tail, [tokens.damaged, *tail]),
        temperature=config.temperature,
    )


def local_blocks(spec: ClipSpec) -> tuple[int, ...]:
    """0-based blocks whose local features are read: at each quarter of the tower's depth.

    Of 24 blocks the 6th, 12th, 18th and 24th, as published; a quarter that is no whole block is
    rounded up, one that lies before the dual path is left out.

    Example:
        >>> from faprompt.clip.registry import get_spec
        >>> local_blocks(get_spec("ViT-L-14-336")), local_blocks(get_spec("ViT-B-16"))
        ((5, 11, 17, 23), (2, 5, 8, 11))
    """
    depth = spec.image.layers
    ends = {-(-quarter * depth // QUARTERS) - 1 for quarter in range(1, QUARTERS + 1)}
    return tuple(sorted(block for block in ends if block >= depth - spec.dual_blocks))


def load_published(path: Path, backbone: Backbone) -> LearnedPair:
    """Read a checkpoint of the authors' code: ``{"prompt_learner": state_dict}``.

    Its sizes are those of its tensors; the rest is as the released code does it.

    Args:
        path: A file of torch; nothing of it is run.
        backbone: The one that the prompts were learned on.

    Raises:
        WeightsError: the file is damaged or not plain tensors.
        CheckpointError: not such a checkpoint, or learned on another backbone.
    """
    released = read_released(path, method=TITLE)
    learned = {
        name: tensor.float()
        for name, tensor in released.items()
        if not name.startswith((UNUSED_PREFIX, *FROZEN_PREFIXES))
    }
    deep = [f"{DEEP_NAME}.{j}" for j in range(sum(n.startswith(DEEP_NAME) for n in learned))]
    if odd := sorted(learned.keys() ^ {"ctx_pos", "ctx_neg", *deep}):
        raise CheckpointError(
            f"{path}: not a released {TITLE} checkpoint: {odd} are missing or unknown; is this "
            "another method's file?"
        )
    state = _renamed(learned, deep, path)
    network = build(backbone, _config(state))
    fill_learner(network.learner, state, path=path)
    _check_backbone(released, network, backbone, path)
    ready(network, backbone)
    return network


def _renamed(learned: Mapping[str, Tensor], deep: list[str], path: Path) -> dict[str, Tensor]:
    """Released names and shapes to ours."""
    for name in ("ctx_pos", "ctx_neg"):
        if learned[name].ndim != 4 or learned[name].shape[:2] != (1, 1):
            shape = tuple(learned[name].shape)
            raise CheckpointError(f"{path}: {name} has shape {shape}, needed is (1, 1, E, W)")
    width = learned["ctx_pos"].shape[-1]
    shapes = {tuple(learned[name].shape) for name in deep}
    if len(shapes) > 1 or any(len(shape) != 2 for shape in shapes):
        raise CheckpointError(f"{path}: deep prompts have shapes {sorted(shapes)}, needed is one")
    return {
        "normal_tokens": learned["ctx_pos"][0, 0],
        "abnormal_tokens": learned["ctx_neg"][0, 0],
        "deep_tokens": torch.stack([learned[name] for name in deep])
        if deep
        else torch.zeros(0, 0, width),
    }


def _config(state: Mapping[str, Tensor]) -> MethodConfig:
    """Settings that the tensors tell, and those of the released code."""
    sets, length, _ = state["deep_tokens"].shape
    return MethodConfig.preset(
        "released",
        num_abnormality_prompts=1,
        num_normal_tokens=len(state["normal_tokens"]),
        num_abnormal_tokens=len(state["abnormal_tokens"]),
        num_deep_prompts=sets,
        deep_prompt_length=length,
        use_prior=False,
    )


def _check_backbone(
    released: Mapping[str, Tensor], network: LearnedPair, backbone: Backbone, path: Path
) -> None:
    """Compare the file's copies of frozen embeddings with the backbone's."""
    frozen = {n: t for n, t in released.items() if n.startswith(FROZEN_PREFIXES)}
    words = {"pos": network.words.normal, "neg": network.words.abnormal}
    for side, learnable in (("pos", "normal_tokens"), ("neg", "abnormal_tokens")):
        count = len(network.learner.get_parameter(learnable))
        ids = [network.start, *[-1] * count, *words[side]]
        encoder = backbone.clip.text
        check_frozen(frozen, side, ids=ids, text_encoder=encoder, path=path)


KIND = Kind(NAME, build, lambda backbone: Reading(blocks=local_blocks(backbone.spec)))

ANOMALYCLIP = Method(
    name=NAME,
    title=TITLE,
    source="AnomalyCLIP, ICLR 2024, arXiv:2310.18961, https://github.com/zqhang/AnomalyCLIP",
    settings={
        "prompts": "[V] x 12 object / [W] x 12 damaged object",
        "deep prompts": "9 deep: 8 sets of 4 tokens beside those at the input",
        "features": "image of the dual path; local v-v patches of blocks 6, 12, 18 and 24 of 24, "
        "of every quarter of other depths",
        "loss": "cross entropy of the images + 4 x (focal + dice + dice), summed over the blocks",
        "inference": "image score of the image feature alone; map: mean over the blocks",
        "temperature": "0.07",
        "training": "Adam at 0.001, batches of 8, 15 epochs: as FAPrompt",
    },
    deviations=(
        "the map is the mean over the blocks, not their sum: the same order",
        "deep prompts keep full precision in training; published checkpoints are read with the "
        "rounding to fp16 of the released code",
        "the epoch is chosen on held-out source data; the released script takes the last, 15th",
        "local features as in the code since April 2025: before, all blocks gave the last one's",
        f"{MAPS}; the released code blurs with sigma 4",
    ),
    trained=True,
    kind=KIND,
    published=load_published,
    defaults={
        "num_normal_tokens": 12,
        "num_abnormal_tokens": 12,
        "num_deep_prompts": 8,
        "deep_prompt_length": 4,
        "local_weight": 4.0,
        "blur_sigma": 4.0,
    },
    fixed={"num_abnormality_prompts": 1, "use_prior": False},
)
