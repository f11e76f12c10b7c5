"""The terms of the pretraining loss; pure functions.

Shapes: B images, L patches, D joint width, P sentences.
"""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

TEMPERATURE = 0.07
"""FAPrompt's own (METHOD, symbols), so that what is trained is what is used."""

COVER_GAIN = 4.0
"""A patch counts as fully abnormal when a quarter of it is covered: thin cracks matter."""

COVER_WEIGHT = 6.0
"""Weight of abnormal patches. Nine of ten patches are normal: without it the first thing that is
learned is to say "normal" everywhere, in one common direction that is slow to leave again."""

PEAK_PATCHES = 3
"""How many of the most abnormal patches speak for the image."""


def abnormality_logits(features: Tensor, normal: Tensor, abnormal: Tensor) -> Tensor:
    """How much nearer features are to the abnormal sentence, over the temperature.

    Args:
        features: (B, L, D), any norm.
        normal: Text feature per image, (B, D).
        abnormal: Text feature per image, (B, D).

    Returns:
        (B, L); its sigmoid is the method's abnormal probability.
    """
    direction = normalize(abnormal, dim=-1) - normalize(normal, dim=-1)
    return torch.einsum("bld,bd->bl", normalize(features, dim=-1), direction) / TEMPERATURE


def dense_loss(logits: Tensor, cover: Tensor) -> Tensor:
    """Cross-entropy of every patch plus the dice loss of the damaged images.

    Args:
        logits: (B, L).
        cover: Share of each patch under the mask, (B, L) in [0, 1].
    """
    target = (cover * COVER_GAIN).clamp(max=1)
    weight = torch.tensor(COVER_WEIGHT, device=logits.device)
    entropy = binary_cross_entropy_with_logits(logits, target, pos_weight=weight)
    probability = logits.sigmoid()
    overlap = 2 * (probability * target).sum(dim=1) + 1
    dice = 1 - overlap / (probability.sum(dim=1) + target.sum(dim=1) + 1)
    return entropy + 0.5 * dice.mean()


def image_loss(logits: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy of (B,) logits against (B,) labels."""
    return binary_cross_entropy_with_logits(logits, label)


def peak_loss(logits: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy of the most abnormal patches of (B, L) against (B,) labels."""
    peaks = logits.topk(min(PEAK_PATCHES, logits.shape[1]), dim=1).values.mean(dim=1)
    return binary_cross_entropy_with_logits(peaks, label)


def length_loss(features: Tensor) -> Tensor:
    """Keep image features (B, D) near the length sqrt(D).

    The method reads the class token without a layer norm, so nothing else holds its length; a
    long one hardly turns any more, because its direction's gradient falls with the length.
    """
    return (features.square().mean(dim=1) + 1e-6).log().square().mean()


def caption_loss(images: Tensor, texts: Tensor, scale: Tensor, same: Tensor) -> Tensor:
    """Symmetric contrastive loss that knows equal captions.

    Args:
        images: Image features (B, D), any norm.
        texts: Text features of the captions (B, D), any norm.
        scale: Inverse temperature, a scalar.
        same: Which captions are equal, (B, B) bool with a true diagonal.
    """
    logits = scale * normalize(images, dim=-1) @ normalize(texts, dim=-1).T  # (B, B)
    target = same.float() / same.sum(dim=1, keepdim=True)
    by_image = -(target * logits.log_softmax(dim=1)).sum(dim=1).mean()
    by_text = -(target * logits.T.log_softmax(dim=1)).sum(dim=1).mean()
    return (by_image + by_text) / 2
