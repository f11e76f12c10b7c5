"""What a step optimises: where the weights start, which of them decay, the terms of the loss.

Shapes: N scenes, B = 2 N images, L patches, D joint width.
"""

from typing import Any

import torch
from torch import Tensor, nn

from faprompt.clip.model import Clip
from faprompt.clip.stem import ConvStem, StemBlock
from faprompt.pretrain import losses
from faprompt.pretrain.batches import STATE_PAIRS, Batch


def loss_terms(clip: Clip, batch: Batch, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """The terms of the loss by the names of :class:`~faprompt.pretrain.recipe.LossWeights`.

    The towers compute in ``dtype``; what compares their features does so in fp32.
    """
    # Without a cache: it is shared by all threads, and a part would read what another is casting.
    device, narrow = batch.images.device.type, dtype != torch.float32
    with torch.autocast(device, dtype, enabled=narrow, cache_enabled=False):
        features = clip.visual.dual(batch.images)
        text = clip.text(batch.tokens).float()  # (B + 2 * STATE_PAIRS, D)
    patches, image = features.patches().float(), features.image.float()  # (B, L, D), (B, D)
    own, normal, abnormal = text.split([len(batch.images), STATE_PAIRS, STATE_PAIRS])
    scenes = len(batch.images) // 2
    general = losses.abnormality_logits(patches, normal[batch.state], abnormal[batch.state])
    # An image against its own captions: that of its twin, and that with the defect's words.
    damaged, clean = own[:scenes].repeat(2, 1), own[scenes:].repeat(2, 1)
    worded = losses.abnormality_logits(patches, clean, damaged)
    seen = batch.label[:scenes].repeat(2) > 0  # an invisible defect has no words
    dense = [losses.dense_loss(general, batch.cover)]
    if bool(seen.any()):  # in a small part every defect may be invisible
        dense.append(losses.dense_loss(worded[seen], batch.cover[seen]))
    whole = losses.abnormality_logits(image[:, None], normal[batch.state], abnormal[batch.state])
    return {
        "dense": torch.stack(dense).mean(),
        "image": losses.image_loss(whole[:, 0], batch.label),
        "peak": losses.peak_loss(general, batch.label),
        "caption": losses.caption_loss(image, own, clip.logit_scale.exp(), batch.same),
        "length": losses.length_loss(image),
    }


def initialised(clip: Clip) -> Clip:
    """Small residual branches at the start, as OpenAI's CLIP has them, and a stem that speaks up.

    With torch's default the stem's patches would start at a hundredth of the position embeddings,
    and every image would look the same for the first hundreds of steps.
    """
    if isinstance(clip.visual.conv1, ConvStem):
        _initialise_stem(clip.visual.conv1)
    for tower in (clip.visual.transformer, clip.text.transformer):
        depth = len(tower.resblocks)
        for module in tower.resblocks:
            block: Any = module
            width = block.ln_1.normalized_shape[0]
            nn.init.normal_(block.attn.in_proj_weight, std=width**-0.5)
            nn.init.normal_(block.attn.out_proj.weight, std=width**-0.5 * (2 * depth) ** -0.5)
            nn.init.normal_(block.mlp.c_fc.weight, std=(2 * width) ** -0.5)
            nn.init.normal_(block.mlp.c_proj.weight, std=width**-0.5 * (2 * depth) ** -0.5)
            for layer in (block.attn.out_proj, block.mlp.c_fc, block.mlp.c_proj):
                nn.init.zeros_(layer.bias)
    return clip


def _initialise_stem(stem: ConvStem) -> None:
    for layer in stem.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    for block in stem.modules():
        if isinstance(block, StemBlock):
            block.conv2.weight.data.mul_(0.2)  # residual branches start small


def parameter_groups(clip: Clip, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay; gains, biases, positions and tokens do not."""
    names = dict(clip.named_parameters())
    plain = {
        name
        for name, value in names.items()
        if value.ndim < 2 or "embedding" in name or name == "logit_scale"
    }
    return [
        {"params": [v for n, v in names.items() if n not in plain], "weight_decay": weight_decay},
        {"params": [v for n, v in names.items() if n in plain], "weight_decay": 0.0},
    ]
