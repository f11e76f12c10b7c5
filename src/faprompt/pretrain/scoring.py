"""How good a backbone is on rendered kinds held out from training, with plain words as prompts.

Shapes: B images, L patches, S side.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from faprompt.clip.model import Clip
from faprompt.clip.tokenizer import Tokenizer
from faprompt.metrics.ranking import auroc
from faprompt.pretrain import captions
from faprompt.pretrain.batches import normalised
from faprompt.pretrain.losses import abnormality_logits
from faprompt.pretrain.renderer import Renderer

HELDOUT_SEED = 900_000_000_000
"""Far from the seeds of training, which count up from the recipe's seed."""

CHUNK = 8
GRID = 64
"""Pixel figures are taken on maps of this side: close to full size, much faster."""


@dataclass(frozen=True, slots=True)
class HeldoutScore:
    """AUROC of images and of pixels, as fractions, on rendered held-out kinds."""

    image_auroc: float
    pixel_auroc: float
    images: int


@torch.no_grad()
def score_heldout(
    clip: Clip,
    tokenizer: Tokenizer,
    *,
    renderer: Renderer | None = None,
    scenes: int = 48,
    size: int | None = None,
    seed: int = 0,
) -> HeldoutScore:
    """Score rendered scenes of the held-out kinds and their twins with the words of the method.

    Args:
        clip: Backbone in evaluation mode.
        tokenizer: Its vocabulary.
        renderer: Draws what is held out, with photographs that training has not seen; by default
            drawn kinds alone.
        scenes: Scenes to render; each gives two images.
        size: Side in pixels, by default the backbone's.
        seed: Chooses other scenes.
    """
    device = clip.visual.proj.device
    renderer = renderer or Renderer("heldout", device=device)
    tokens = tokenizer.encode(captions.METHOD_PAIR, clip.spec.context_length)
    text = clip.text(tokens.to(device))
    scores, labels, maps, masks = [], [], [], []
    for first in range(0, scenes, CHUNK):
        count = min(CHUNK, scenes - first)
        side = size or clip.spec.default_size
        rendered = renderer.render(HELDOUT_SEED + 10_000 * seed + first, count, side, per_kind=2)
        images = torch.cat([rendered.damaged, rendered.clean])
        image, pixels = two_prompt_scores(clip, normalised(images, clip.spec), text)
        mask = torch.cat([rendered.mask, torch.zeros_like(rendered.mask)])
        scores.append(image)
        labels.append(mask.flatten(1).amax(dim=1) > 0)
        maps.append(interpolate(pixels[:, None], size=GRID, mode="bilinear", align_corners=False))
        masks.append(interpolate(mask, size=GRID, mode="nearest") > 0)
    return HeldoutScore(
        _auroc(scores, labels),
        _auroc(maps, masks),
        2 * scenes,
    )


def _auroc(scores: list[Tensor], labels: list[Tensor]) -> float:
    return auroc(
        torch.cat(scores).flatten().cpu().numpy(), torch.cat(labels).flatten().cpu().numpy()
    )


def two_prompt_scores(clip: Clip, images: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
    """Image scores (B,) and patch probabilities (B, S', S') with two sentences (2, D).

    The image score is METHOD's (section 6) for a single round: half the image probability, half
    the largest patch probability.
    """
    features = clip.visual.dual(images)
    normal, abnormal = text[:1].expand(len(images), -1), text[1:].expand(len(images), -1)
    whole = abnormality_logits(features.image[:, None], normal, abnormal)[:, 0].sigmoid()
    patches = abnormality_logits(features.patches(), normal, abnormal).sigmoid()  # (B, L)
    side = round(patches.shape[1] ** 0.5)
    return (whole + patches.amax(dim=1)) / 2, patches.view(-1, side, side)
