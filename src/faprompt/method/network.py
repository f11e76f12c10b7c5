"""FAPrompt: the ONE forward of training and inference (arXiv:2410.10289, figure 2).

frozen image features -> round 1 with the static prompts -> prior of the most abnormal patches
-> round 2 with the prompts adapted to this image -> scores.

Shapes: B images, L patches, K abnormality prompts, M prior patches, D joint width, W text width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from faprompt.clip.model import Clip
from faprompt.clip.text_encoder import Prefix, TextEncoder
from faprompt.config import LossConfig, MethodConfig
from faprompt.method import losses, scoring
from faprompt.method.losses import Losses, Targets
from faprompt.method.prior import (
    AbnormalityPrior,
    chosen_among,
    gather_patches,
    most_abnormal_patches,
)
from faprompt.method.prompts import CompoundPrompts, prompt_ids, word_ids


@dataclass(frozen=True, slots=True)
class StaticText:
    """Text features that depend on no image, before normalisation."""

    normal: Tensor
    """(1, D)."""
    abnormal: Tensor
    """(K, D)."""
    beginning: Prefix
    """What all prompts begin with, encoded: the second round goes on from there."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Everything one forward yields; maps on the patch grid, image-size maps on request."""

    image_score: Tensor
    """(B,), in [0, 1]."""
    image_logits: Tensor
    """(B, 2), round 2, divided by the temperature."""
    first: Tensor
    """Round 1 patch probabilities [S_n, S_a], (B, L, 2)."""
    second: Tensor
    """Round 2 patch probabilities [S_n, S_a], (B, L, 2)."""
    top_patches: Tensor
    """Indices of the most abnormal patches of round 1, (B, M); (B, 0) without prior."""
    prior: Tensor
    """Omega, (B, W); zero without prior."""
    prototypes: Tensor
    """Normalised [F_n, F_a(x)], (B, 2, D)."""
    text: StaticText
    keep: Tensor | None = None
    """Which patches count, bool (B, L); None: all."""
    responses: Tensor | None = None
    """Share of each abnormality prompt in a patch's response, (B, L, K), adding up to 1: softmax
    over i of cos(p, F_i(x)) / tau; None unless asked for."""

    def anomaly_map(self, size: int, *, blur_sigma: float) -> Tensor:
        """Final map (B, S, S) in [0, 1]; see :func:`faprompt.method.scoring.anomaly_map`."""
        return scoring.anomaly_map(
            self.first[..., 1],
            self.second[..., 1],
            size=size,
            blur_sigma=blur_sigma,
            keep=self.keep,
        )


class PromptLearner(nn.Module):
    """All that learns, and nothing else: what a checkpoint holds."""

    def __init__(self, embed_dim: int, text_width: int, config: MethodConfig) -> None:
        super().__init__()
        self.prompts = CompoundPrompts(text_width, config)
        self.prior = AbnormalityPrior(embed_dim, text_width, config) if config.use_prior else None


class FAPrompt(nn.Module):
    """Learnable prompts and prior on a frozen text tower."""

    def __init__(self, clip: Clip, config: MethodConfig) -> None:
        super().__init__()
        spec = clip.spec
        self.config = config
        self.text_encoder: TextEncoder = clip.text  # frozen, shared with the backbone
        self.learner = PromptLearner(spec.embed_dim, spec.text.width, config)
        ends = [
            prompt_ids(spec.tokens, config, abnormal=abnormal).index(spec.tokens.end)
            - (1 + config.num_normal_tokens)  # counted from the end of the common beginning
            for abnormal in (False, True)
        ]
        self.words: Tensor
        self.ends: Tensor
        self.register_buffer("words", torch.tensor(word_ids(spec.tokens)), persistent=False)
        self.register_buffer("ends", torch.tensor(ends), persistent=False)

    def forward(
        self,
        image_features: Tensor,
        patch_features: Tensor,
        text: StaticText | None = None,
        *,
        keep: Tensor | None = None,
        responses: bool = False,
    ) -> Scores:
        """Score a batch of images from their frozen features.

        Args:
            image_features: (B, D), any norm.
            patch_features: (B, L, D), any norm, raster order.
            text: Result of :meth:`static_text`, to save its computation at inference.
            keep: Which patches count, bool (B, L), at least one per image: the others are no
                candidates for the prior and the maxima, and lend nothing to the map.
            responses: Also say which abnormality prompt responded how much, per patch.
        """
        text = self.static_text() if text is None else text
        tau = self.config.temperature
        image = normalize(image_features.float(), dim=-1)  # (B, D)
        patches = patch_features.float()  # (B, L, D)
        # Their norms divide the few logits instead of the many features.
        scale = tau * scoring.norms(patches)  # (B, L, 1)

        static = prototypes(text.normal, text.abnormal[None])  # (1, 2, D)
        first = scoring.class_logits(patches, static, scale).softmax(dim=-1)  # (B, L, 2)
        top, prior = self._prior(patches, first[..., 1], keep)  # (B, M), (B, W)
        adapted, second = static.expand(len(image), -1, -1), first  # all there is without prior
        abnormal = text.abnormal[None]  # (1, K, D)
        if self.learner.prior is not None:
            abnormal = self.adapted_text(prior, text.beginning)  # (B, K, D)
            adapted = prototypes(text.normal, abnormal)  # (B, 2, D)
            second = scoring.class_logits(patches, adapted, scale).softmax(dim=-1)  # (B, L, 2)
        logits = scoring.class_logits(image[:, None], adapted, tau)[:, 0]  # (B, 2)
        candidates = (scoring.counting(scored[..., 1], keep) for scored in (first, second))
        score = scoring.image_score(logits.softmax(dim=-1)[:, 1], *candidates)
        return Scores(
            image_score=score,
            image_logits=logits,
            first=first,
            second=second,
            top_patches=top,
            prior=prior,
            prototypes=adapted,
            text=text,
            keep=keep,
            responses=prompt_responses(patches, abnormal, scale) if responses else None,
        )

    def _prior(
        self, patches: Tensor, abnormality: Tensor, keep: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Most abnormal patches (B, M) and Omega (B, W), from (B, L, D) and (B, L)."""
        if self.learner.prior is None:
            width = self.learner.prompts.normal_tokens.shape[-1]
            none = self.words.new_zeros(len(patches), 0)
            return none, patches.new_zeros(len(patches), width)
        count, gather = self.config.num_prior_patches, self.config.prior_gather
        if keep is None:
            top = most_abnormal_patches(abnormality, count)  # (B, M)
            chosen = gather_patches(patches, top, gather)  # (B, M, D)
        else:
            top = chosen_among(abnormality, keep, count, "top")
            fed = top if gather == "top" else chosen_among(abnormality, keep, count, gather)
            chosen = gather_patches(patches, fed, "top")
        return top, self.learner.prior(normalize(chosen, dim=-1))

    def static_text(self) -> StaticText:
        """Encode the normality prompt and the K abnormality prompts without prior, at once."""
        words = self.text_encoder.token_embedding(self.words)  # (5, W)
        prompts = self.learner.prompts
        normal, abnormal = prompts.normal(words), prompts.abnormal(words)
        missing = abnormal.shape[2] - normal.shape[1]
        # What follows the read-out cannot reach it: the shorter prompt is filled with anything.
        filled = torch.cat([normal, normal[:, -1:].expand(-1, missing, -1)], dim=1)
        endings = torch.cat([filled, abnormal[0]])  # (1 + K, T, W)
        end = torch.cat([self.ends[:1], self.ends[1:].expand(len(abnormal[0]))])  # (1 + K,)
        features, beginning = self.text_encoder.branches(
            prompts.beginning(words), endings, end, prompts.deep()
        )
        features = features.float()  # (1 + K, D)
        return StaticText(normal=features[:1], abnormal=features[1:], beginning=beginning)

    def adapted_text(self, prior: Tensor, beginning: Prefix) -> Tensor:
        """Abnormality prompts shifted by the prior (B, W), encoded: (B, K, D).

        No prior reaches their common beginning, so that only the rest is computed.
        """
        words = self.text_encoder.token_embedding(self.words)
        endings = self.learner.prompts.abnormal(words, prior)  # (B, K, T, W)
        images, count = endings.shape[:2]
        end = self.ends[1].expand(images * count)
        features = self.text_encoder.encode(endings.flatten(0, 1), end, prefix=beginning)
        return features.float().reshape(images, count, -1)

    def losses(self, scores: Scores, targets: Targets, config: LossConfig) -> Losses:
        """The training loss of a scored batch (METHOD section 5)."""
        labels = targets.labels
        return losses.total_loss(
            {
                "local": self._local(scores, targets, config),
                "image_ce": losses.image_ce_loss(scores.image_logits, labels),
                "image_focal": losses.image_focal_loss(
                    scores.image_score,
                    labels,
                    gamma=config.focal_gamma,
                    on=self.config.image_focal_on,
                ),
                "orthogonality": losses.orthogonality_loss(scores.text.abnormal),
                "prior": losses.prior_loss(scores.prior, labels),
            },
            config,
        )

    def _local(self, scores: Scores, targets: Targets, config: LossConfig) -> Tensor:
        rounds = (
            (scores.first, config.local_weight),
            (scores.second, config.adapted_local_weight),
        )
        total = scores.image_score.new_zeros(())
        for patches, weight in rounds:
            if (known := losses.known_only(patches[..., 1], targets)) is not None:
                total = total + weight * losses.local_loss(*known, config)
        return total


def prompt_responses(patches: Tensor, abnormal: Tensor, scale: Tensor) -> Tensor:
    """Share of each abnormality prompt in a patch's response, (B, L, K); they add up to 1.

    Args:
        patches: Any norm, (B, L, D).
        abnormal: Features of the abnormality prompts, any norm, (B, K, D) or (1, K, D).
        scale: tau times the patches' norms, (B, L, 1).
    """
    return scoring.class_logits(patches, normalize(abnormal, dim=-1), scale).softmax(dim=-1)


def prototypes(normal: Tensor, abnormal: Tensor) -> Tensor:
    """Normalised [F_n, F_a], (B, 2, D): F_a is the mean of the K un-normalised features.

    Args:
        normal: (1, D).
        abnormal: (B, K, D).
    """
    mean = abnormal.mean(dim=1)  # (B, D)
    return normalize(torch.stack([normal.expand_as(mean), mean], dim=1), dim=-1)
