"""The frozen CLIP: two towers under OpenAI's parameter names."""

import math

import torch
from torch import Tensor, nn

from faprompt.clip.image_encoder import ImageEncoder
from faprompt.clip.registry import ClipSpec
from faprompt.clip.text_encoder import TextEncoder


class Clip(nn.Module):
    """Image and text tower of one registry entry, composed.

    ``visual.*`` and ``text.*`` hold the parameters; :mod:`faprompt.clip.weights` knows how the
    published formats name them.
    """

    def __init__(self, spec: ClipSpec) -> None:
        super().__init__()
        self.spec = spec
        self.visual = ImageEncoder(spec)
        self.text = TextEncoder(spec)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def frozen(self) -> "Clip":
        """Return self in evaluation mode with no parameter that learns."""
        return self.eval().requires_grad_(False)

    def encode_image(self, images: Tensor) -> Tensor:
        """Ordinary CLIP image features (B, D) of normalised pixels (B, 3, S, S)."""
        features: Tensor = self.visual(images)
        return features

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Ordinary CLIP text features (P, D) of token ids (P, T)."""
        features: Tensor = self.text(tokens)
        return features
