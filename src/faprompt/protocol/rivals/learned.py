"""A network that learns one normality and one abnormality prompt: CoOp and AnomalyCLIP.

prompt   SOT T1 .. TE words EOT      T learnable; both prompts may share them

Shapes: B images, N blocks, L patches, E learnable tokens, T positions, W text width, D joint width.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from faprompt.clip.model import Clip
from faprompt.clip.text_encoder import TextEncoder
from faprompt.config import LossConfig, MethodConfig
from faprompt.method import losses
from faprompt.method.losses import Losses, Targets
from faprompt.protocol.rivals.pair import PairScores, compare


@dataclass(frozen=True, slots=True)
class Words:
    """Token ids that follow the learnable tokens, the end token last."""

    normal: list[int]
    abnormal: list[int]


class PromptTokens(Protocol):
    """All that learns."""

    def pair(self) -> tuple[Tensor, Tensor]:
        """Learnable tokens of the normality and of the abnormality prompt, (E, W) each."""

    def deep(self) -> Tensor | None:
        """Deep prompts (J, N, W), where there are any."""


class LearnedPair(nn.Module):
    """Two learned prompts on a frozen text tower."""

    def __init__(
        self,
        clip: Clip,
        config: MethodConfig,
        learner: nn.Module,
        *,
        words: Words,
        temperature: float,
    ) -> None:
        super().__init__()
        self.config = config
        self.temperature = temperature
        self.text_encoder: TextEncoder = clip.text  # frozen, shared with the backbone
        self.start = clip.spec.tokens.start
        self.words = words
        self.learner = learner

    def static_text(self) -> Tensor:
        """Normalised text features [F_n, F_a], (2, D)."""
        tokens: PromptTokens = self.learner  # type: ignore[assignment]
        prompts = [
            self._prompt(learnable, words)
            for learnable, words in zip(
                tokens.pair(), (self.words.normal, self.words.abnormal), strict=True
            )
        ]
        end = torch.tensor([len(prompt) - 1 for prompt in prompts], device=prompts[0].device)
        # What follows the read-out cannot reach it: the shorter prompt is filled with zeros.
        batch = nn.utils.rnn.pad_sequence(prompts, batch_first=True)  # (2, T, W)
        features = self.text_encoder.encode(batch, end, tokens.deep()).float()
        return normalize(features, dim=-1)

    def _prompt(self, learnable: Tensor, words: list[int]) -> Tensor:
        """One prompt as embeddings (T, W)."""
        ids = torch.tensor([self.start, *words], device=learnable.device)
        fixed = self.text_encoder.token_embedding(ids)
        return torch.cat([fixed[:1], learnable, fixed[1:]])

    def forward(
        self, image_features: Tensor, patch_features: Tensor, text: Tensor | None = None
    ) -> PairScores:
        """Score a batch of images from their frozen features.

        Args:
            image_features: (B, D), any norm.
            patch_features: (B, L, D) or (B, N, L, D), any norm, raster order.
            text: Result of :meth:`static_text`.
        """
        text = self.static_text() if text is None else text
        return compare(image_features, patch_features, text, self.temperature)

    def losses(self, scores: PairScores, targets: Targets, config: LossConfig) -> Losses:
        """Cross entropy of the images, and the local loss of every block by ``local_weight``."""
        none = scores.image_logits.new_zeros(())
        return losses.total_loss(
            {
                "local": self._local(scores, targets, config) if config.local_weight else none,
                "image_ce": losses.image_ce_loss(scores.image_logits, targets.labels),
                "image_focal": none,
                "orthogonality": none,
                "prior": none,
            },
            config,
        )

    @staticmethod
    def _local(scores: PairScores, targets: Targets, config: LossConfig) -> Tensor:
        total = scores.image_logits.new_zeros(())
        for patches in scores.patches.unbind(dim=1):  # (B, L, 2) of one block
            if (known := losses.known_only(patches[..., 1], targets)) is not None:
                total = total + config.local_weight * losses.local_loss(*known, config)
        return total
