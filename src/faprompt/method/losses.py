"""The training loss and its parts (METHOD section 5). Pure functions.

Shapes: B images, K abnormality prompts, D joint width, W text width, H x W maps.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.linalg import vecdot
from torch.nn.functional import binary_cross_entropy, cross_entropy, normalize

from faprompt.config import FocalOn, LossConfig
from faprompt.method import scoring


@dataclass(frozen=True, slots=True)
class Losses:
    """Parts of the loss, each a scalar; ``total`` is their weighted sum."""

    local: Tensor
    """Weighted local losses of both rounds."""
    image_ce: Tensor
    image_focal: Tensor
    orthogonality: Tensor
    prior: Tensor
    total: Tensor


@dataclass(frozen=True, slots=True)
class Targets:
    """What a batch is compared with."""

    labels: Tensor
    """(B,), 0 normal, 1 anomalous."""
    masks: Tensor
    """(B, H, W), 1 where defective."""
    known: Tensor
    """(B,), False where the mask is unknown: such images do not enter the local loss. On the CPU,
    because it decides what is computed, which must not wait for a GPU."""


def local_loss(patches: Tensor, masks: Tensor, config: LossConfig) -> Tensor:
    """Focal loss plus dice loss of both classes, of patch values that are upsampled to the masks.

    Both classes' probabilities add up to 1, so that one of them says it all.

    Args:
        patches: S_a, (B, G * G), in [0, 1].
        masks: (B, S, S), 1 where defective.
        config: Constants.
    """
    maps = scoring.upsample(patches, masks.shape[-1])  # (B, S, S)
    focal = focal_loss(maps, masks, gamma=config.focal_gamma, smoothing=config.focal_smoothing)
    return focal + dice_losses(patches, masks, smoothing=config.dice_smoothing)


def focal_loss(maps: Tensor, masks: Tensor, *, gamma: float, smoothing: float) -> Tensor:
    """Mean over pixels of -(1 - pt)^gamma log(pt), with smoothed one-hot targets.

    pt = sum over classes of target * probability, plus the smoothing. 0 at perfect
    probabilities up to the smoothing. Focal loss: arXiv:1708.02002.

    Args:
        maps: S_a, (B, H, W); S_n is 1 - S_a.
        masks: (B, H, W), 1 where defective, 0 elsewhere.
        gamma: Exponent.
        smoothing: Of the targets.
    """
    # A one-hot target clamped to [s, 1 - s]: 1 - pt is (1 - 2 s) times what S_a is away from it.
    wrong = (1 - 2 * smoothing) * (masks - maps).abs()  # (B, H, W)
    return -(wrong**gamma * torch.log1p(-wrong)).mean()


def dice_losses(patches: Tensor, masks: Tensor, *, smoothing: float) -> Tensor:
    """Dice losses of S_a against the masks and of S_n = 1 - S_a against the rest, added.

    A dice loss is 1 - mean over images of (2 |P G| + s) / (|P| + |G| + s), in [0, 1], with sums
    over the pixels of the upsampled map P. Three of them suffice for both, and upsampling is
    linear: <R S R^T, G> = <S, R^T G R>, so that no full-size map is needed.

    Args:
        patches: S_a, (B, G * G), in [0, 1].
        masks: (B, S, S), 1 where defective.
        smoothing: s.
    """
    pixels = masks[0].numel()
    grid = round(patches.shape[1] ** 0.5)
    near = scoring.gathered(masks, grid)  # (B, G * G)
    everywhere = scoring.gathered(torch.ones_like(masks[:1]), grid)
    both, found = (vecdot(patches.double(), weights.double()) for weights in (near, everywhere))
    true = masks.flatten(1).sum(dim=1).double()
    neither = pixels - found - true + both
    abnormal = (2 * both + smoothing) / (found + true + smoothing)
    normal = (2 * neither + smoothing) / (2 * pixels - found - true + smoothing)
    total: Tensor = 2 - abnormal.mean() - normal.mean()
    return total.to(patches.dtype)


def image_focal_loss(scores: Tensor, labels: Tensor, *, gamma: float, on: FocalOn) -> Tensor:
    """Binary focal loss of image scores (B,) in [0, 1].

    ``on="sigmoid"`` repeats a fault of the released code: the score, already a probability,
    goes through a sigmoid, so that normal images never reach zero loss.
    """
    probability = scores.sigmoid() if on == "sigmoid" else scores.clamp(0, 1)
    cross = binary_cross_entropy(probability, labels.to(probability), reduction="none")
    return ((1 - (-cross).exp()) ** gamma * cross).mean()


def orthogonality_loss(abnormality_features: Tensor) -> Tensor:
    """Penalise abnormality prompts that say the same thing.

    Sum over prompt pairs of |cosine similarity|: 0 when all K prompts are orthogonal,
    K(K-1)/2 when all are parallel. FAPrompt (arXiv:2410.10289), orthogonal constraint loss.

    Args:
        abnormality_features: Text features of the K abnormality prompts, (K, D); any norm.

    Returns:
        Non-negative scalar, differentiable.

    Example:
        >>> import torch
        >>> orthogonality_loss(torch.tensor([[2.0, 0.0], [3.0, 4.0]]))
        tensor(0.6000)
    """
    unit = normalize(abnormality_features, dim=1)
    return (unit @ unit.T).abs().triu(diagonal=1).sum()


def prior_loss(prior: Tensor, labels: Tensor) -> Tensor:
    """Sum over NORMAL images of mean Omega^2, from (B, W); 0 for anomalous images."""
    return (prior.square().mean(dim=1) * (labels == 0)).sum()


def total_loss(parts: dict[str, Tensor], config: LossConfig) -> Losses:
    """Weigh and add the parts; ``parts`` has the fields of :class:`Losses` but ``total``."""
    total = (
        parts["local"]
        + config.image_ce_weight * parts["image_ce"]
        + config.image_focal_weight * parts["image_focal"]
        + config.orthogonality_weight * parts["orthogonality"]
        + config.prior_weight * parts["prior"]
    )
    return Losses(**parts, total=total)


def image_ce_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of image logits (B, 2) of round 2, already divided by the temperature."""
    return cross_entropy(logits, labels.long())


def known_only(patches: Tensor, targets: Targets) -> tuple[Tensor, Tensor] | None:
    """Patches (B', L) and masks of the images whose mask is known; None when there is none."""
    if not bool(targets.known.any()):
        return None
    if bool(targets.known.all()):
        return patches, targets.masks
    rows = torch.nonzero(targets.known)[:, 0]
    return patches[rows], targets.masks[rows]
