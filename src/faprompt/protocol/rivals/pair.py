"""One normal and one abnormal prototype against image and patches: what most rivals do.

Shapes: B images, N blocks, L patches, D joint width, S side of the map in pixels.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import normalize

from faprompt.method import scoring

TEMPERATURE = 0.07
"""tau of AnomalyCLIP's code and of public WinCLIPs; the start value of CLIP's own."""


@dataclass(frozen=True, slots=True)
class PairScores:
    """Cosine similarities to both prototypes, divided by the temperature, and their softmax."""

    image_logits: Tensor
    """(B, 2)."""
    patches: Tensor
    """Probabilities [S_n, S_a] of every patch in every block, (B, N, L, 2)."""

    @property
    def image_score(self) -> Tensor:
        """Probability of the abnormal prototype, (B,)."""
        return self.image_logits.softmax(dim=-1)[:, 1]

    def anomaly_map(self, size: int, *, blur_sigma: float) -> Tensor:
        """Mean over the blocks, resized and blurred as FAPrompt's maps are: (B, S, S)."""
        mean = self.patches[..., 1].mean(dim=1)
        return scoring.anomaly_map(mean, mean, size=size, blur_sigma=blur_sigma)


def compare(image: Tensor, patches: Tensor, prototypes: Tensor, temperature: float) -> PairScores:
    """Compare features of any norm with prototypes.

    Args:
        image: (B, D).
        patches: (B, L, D), or (B, N, L, D) of N blocks.
        prototypes: L2-normalised [F_n, F_a], (2, D).
        temperature: tau.
    """
    blocks = patches if patches.ndim == 4 else patches[:, None]
    image, blocks = (normalize(x.float(), dim=-1) for x in (image, blocks))
    return PairScores(
        image_logits=image @ prototypes.T / temperature,
        patches=(blocks @ prototypes.T / temperature).softmax(dim=-1),
    )


@dataclass(frozen=True, slots=True)
class FixedPair:
    """Prototypes that nothing learns."""

    prototypes: Tensor
    """L2-normalised [F_n, F_a], (2, D)."""
    temperature: float = TEMPERATURE

    def static_text(self) -> Tensor:
        """The prototypes."""
        return self.prototypes

    def __call__(
        self, image_features: Tensor, patch_features: Tensor, text: Tensor | None = None
    ) -> PairScores:
        """Score a batch of images."""
        chosen = self.prototypes if text is None else text
        return compare(image_features, patch_features, chosen, self.temperature)
