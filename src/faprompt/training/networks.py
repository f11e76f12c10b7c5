"""What can be learned here: FAPrompt and, in the comparison of methods, its rivals.

Shapes: B images, L patches, D joint width, S side of the map in pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from faprompt.clip.image_encoder import DEFAULT_READING, Reading
from faprompt.clip.weights import Backbone
from faprompt.config import LossConfig, MethodConfig, TrainSettings
from faprompt.method.checkpoint import FAPROMPT
from faprompt.method.losses import Losses, Targets
from faprompt.method.network import FAPrompt


class Scored(Protocol):
    """What a network says of a batch of images."""

    @property
    def image_score(self) -> Tensor:
        """(B,), in [0, 1]."""

    def anomaly_map(self, size: int, *, blur_sigma: float) -> Tensor:
        """(B, S, S), in [0, 1]."""


class Scoring(Protocol):
    """Texts compared with frozen features."""

    def static_text(self) -> Any:
        """Text features that depend on no image, for ``text`` of a call."""

    def __call__(
        self, image_features: Tensor, patch_features: Tensor, text: Any = None
    ) -> Any:  # a Scored; a protocol cannot say that losses take the same type
        """Score a batch of images: (B, D), and patches as :class:`Reading` gives them."""


class Network(Scoring, Protocol):
    """Learnable tensors on a frozen backbone."""

    config: MethodConfig

    @property
    def learner(self) -> nn.Module:
        """All that learns, and nothing else."""

    def losses(self, scores: Any, targets: Targets, config: LossConfig) -> Losses:
        """The training loss of a scored batch."""

    def to(self, device: Any) -> Any:
        """The network on a device."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of network, and what it reads of an image."""

    name: str
    """As in ``Header.network``."""
    build: Callable[[Backbone, MethodConfig], Network]
    reading: Callable[[Backbone], Reading] = lambda _: DEFAULT_READING


FAPROMPT_KIND = Kind(FAPROMPT, lambda backbone, config: FAPrompt(backbone.clip, config))


@dataclass(frozen=True, slots=True)
class Task:
    """What shall be learned, but for the data."""

    backbone: Backbone
    """Frozen, on the device to train on."""
    settings: TrainSettings
    kind: Kind = FAPROMPT_KIND
