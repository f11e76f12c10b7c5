"""WinCLIP, zero-shot: every window of an image is an image for CLIP (arXiv:2303.14814).

Windows of 2 x 2 and 3 x 3 patches slide over the grid by one patch. A window is the class token
with the tokens of its patches alone; all others are masked out from the first block on. A patch
gets the harmonic mean of the windows that hold it, then of both scales and the whole image.
The scheme is that of two public re-implementations: zqhang/Accurate-WinCLIP-pytorch and anomalib.

Shapes: B images, N windows, k patches in a window, G patches along a side, D joint width.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import normalize

from faprompt.clip.weights import Backbone
from faprompt.method import scoring
from faprompt.protocol.rivals.base import Method
from faprompt.protocol.rivals.clip import ENSEMBLE, MAPS, NO_NAMES, ON_TINY
from faprompt.protocol.rivals.pair import TEMPERATURE
from faprompt.protocol.rivals.texts import ABNORMAL_STATES, NORMAL_STATES, ensemble, prototypes
from faprompt.protocol.scorer import Output, Seen

SCALES = (2, 3)
TOKENS_AT_ONCE = 16384
"""Of all windows that go through the tower together: bounds the memory."""


class WinClip:
    """WinCLIP's windows on any image tower."""

    blocks: frozenset[int] = frozenset()

    def __init__(self, backbone: Backbone, output: Output) -> None:
        self.visual = backbone.clip.visual
        self.output = output
        normal, abnormal = ensemble(NORMAL_STATES), ensemble(ABNORMAL_STATES)
        self.prototypes = prototypes(backbone, normal, abnormal)

    @torch.inference_mode()
    def score(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """Image scores (B,) of the whole image alone, and anomaly maps (B, S, S); in [0, 1]."""
        grid = seen.pixels.shape[-1] // self.visual.patch_size
        whole = self._abnormality(seen.dual.ordinary()[:, 0])  # (B,)
        scales = [whole[:, None].expand(-1, grid * grid)]
        for side in SCALES:
            if side <= grid:
                members = windows(grid, side).to(seen.pixels.device)
                scores = self._windows(seen.pixels, members)  # (B, N)
                scales.append(spread(scores, members, grid * grid))
        patches = harmonic_mean(torch.stack(scales), dim=0)  # (B, L)
        size, sigma = self.output.input_size, self.output.blur_sigma
        maps = scoring.anomaly_map(patches, patches, size=size, blur_sigma=sigma)
        return whole.cpu(), maps.cpu()

    def _windows(self, pixels: Tensor, members: Tensor) -> Tensor:
        at_once = max(1, TOKENS_AT_ONCE // (len(pixels) * (members.shape[1] + 1)))
        groups = members.split(at_once)
        features = [self.visual.windows(pixels, group) for group in groups]
        return self._abnormality(torch.cat(features, dim=1))

    def _abnormality(self, features: Tensor) -> Tensor:
        """Probability of the abnormal prototype, (..., D) to (...)."""
        cosines = normalize(features.float(), dim=-1) @ self.prototypes.T
        return (cosines / TEMPERATURE).softmax(dim=-1)[..., 1]


@lru_cache(maxsize=8)
def windows(grid: int, side: int) -> Tensor:
    """Patches of every window, (N, k) with N = (G - side + 1)^2, in raster order.

    Example:
        >>> windows(3, 2).tolist()
        [[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]]
    """
    places = torch.arange(grid * grid).reshape(grid, grid)
    return places.unfold(0, side, 1).unfold(1, side, 1).reshape(-1, side * side)


def spread(scores: Tensor, members: Tensor, patches: int) -> Tensor:
    """Harmonic mean of the windows that hold each patch: (B, N) to (B, L).

    No score is 0: of two classes whose cosines differ by at most 2, tau leaves 4e-13 at least.

    Args:
        scores: Of the windows, (B, N).
        members: Patches of every window, (N, k).
        patches: L.
    """
    held = scores.new_zeros(len(members), patches).scatter_(1, members, 1)  # (N, L)
    return held.sum(dim=0) / (scores.reciprocal() @ held)


def harmonic_mean(values: Tensor, dim: int) -> Tensor:
    """Harmonic mean of positive values over one dimension."""
    return values.shape[dim] / values.reciprocal().sum(dim=dim)


WINCLIP = Method(
    name="winclip",
    title="WinCLIP",
    source="WinCLIP, arXiv:2303.14814; no code of the authors; scheme as in "
    "https://github.com/zqhang/Accurate-WinCLIP-pytorch and anomalib",
    settings={
        "prompts": f"{ENSEMBLE}; mean direction of either kind",
        "windows": "2 x 2 and 3 x 3 patches, one patch apart, and the whole image",
        "window features": "class token with the window's tokens alone, ordinary CLIP",
        "aggregation": "harmonic mean over windows, then over scales",
        "image score": "of the whole image alone",
        "temperature": str(TEMPERATURE),
    },
    deviations=(
        "backbone and input size of the plan in place of ViT-B/16+ at 240 pixels: windows of as "
        "many patches see another share of the image",
        "on a tower with a convolutional stem (`tiny`) a patch token has seen some pixels beyond "
        "its patch before windows are cut",
        NO_NAMES,
        MAPS,
        ON_TINY,
        "the paper does not blur its maps",
        "texts are averaged as unit vectors, as CLIP does; those two average them before",
    ),
    trained=False,
    untrained=WinClip,
)
