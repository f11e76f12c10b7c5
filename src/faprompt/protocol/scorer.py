"""What a method of the comparison is, seen from the protocol: frozen features in, scores out.

Shapes: B images, S input side in pixels.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from faprompt.clip.image_encoder import DualFeatures


@dataclass(frozen=True, slots=True)
class Seen:
    """A batch of images after the frozen image tower: computed once, read by every method."""

    pixels: Tensor
    """Normalised, (B, 3, S, S), on the tower's device."""
    dual: DualFeatures
    """Both paths, with the local features of all blocks that some method asked for."""


class Scorer(Protocol):
    """One method, ready to score; its weights do not change any more."""

    @property
    def blocks(self) -> frozenset[int]:
        """0-based image blocks whose local features are read; empty: the last block's."""

    def score(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """Image scores (B,) and anomaly maps (B, S, S), fp32 on the CPU; larger: more anomalous.

        Scores of trained methods are in [0, 1]; maps have the input's size.
        """
