"""What a method of the comparison is, seen from the protocol: frozen features in, scores out.

Shapes: B images, S input side in pixels.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from faprompt.clip.image_encoder import DualFeatures, Reading
from faprompt.training.networks import Scored, Scoring


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """What the maps look like."""

    input_size: int
    """S."""
    blur_sigma: float
    """Of the Gaussian blur, in pixels; 0 is none."""

    def of(self, scores: Scored) -> tuple[Tensor, Tensor]:
        """Image scores (B,) and anomaly maps (B, S, S) of a scored batch."""
        maps = scores.anomaly_map(self.input_size, blur_sigma=self.blur_sigma)
        return scores.image_score.float().cpu(), maps.float().cpu()


class FeatureScorer:
    """Texts that have been learned, or that are fixed, against frozen features."""

    def __init__(self, network: Scoring, reading: Reading, output: Output) -> None:
        self.network = network
        self.reading = reading
        self.output = output
        with torch.inference_mode():
            self.text = network.static_text()

    @property
    def blocks(self) -> frozenset[int]:
        """0-based image blocks whose local features are read; empty: the last block's."""
        return frozenset(self.reading.blocks)

    @torch.inference_mode()
    def score(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """Image scores (B,) and anomaly maps (B, S, S), both in [0, 1]."""
        image, patches = self.reading.of(seen.dual)
        return self.output.of(self.network(image, patches, text=self.text))
