"""How the embedded backbone cuts an image into patches: a small convolutional network.

Shapes: B images, C channels, H x W places, S input side in pixels, W tower width.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

STEM_BLOCKS = 2
"""Residual blocks after a step of the convolutional stem."""


class InstanceNorm(nn.Module):
    """Each channel of each image relative to its own mean and deviation.

    Written out, because torch's own kernels, ``var_mean`` too, are slow on channels-last memory on
    a CPU.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, H, W) over H and W; in fp32, since a large mean costs bf16 much."""
        values = x.float()
        values = values - values.mean(dim=(2, 3), keepdim=True)
        variance = values.square().mean(dim=(2, 3), keepdim=True)
        scale = self.weight.float().view(-1, 1, 1) * (variance + 1e-5).rsqrt()
        return torch.addcmul(self.bias.float().view(-1, 1, 1), values, scale).to(x.dtype)


class StemBlock(nn.Module):
    """Two convolutions beside a residual path, reading each channel relative to its own image.

    Instance normalisation says how far a place lies from what is usual in THIS picture, whatever
    its contrast; the residual path keeps the absolute values beside it.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = InstanceNorm(width)
        self.conv1 = nn.Conv2d(width, width, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        added: Tensor = self.conv2(gelu(self.conv1(self.norm(x))))
        return x + added


class ConvStem(nn.Module):
    """Patches cut by stride-2 convolutions and residual blocks: small towers learn faster.

    After "Early convolutions help transformers see better" (arXiv:2106.14881).
    """

    def __init__(self, width: int, patch_size: int) -> None:
        super().__init__()
        steps = patch_size.bit_length() - 1  # 16 = 2 ** 4
        widths = [3] + [width >> (steps - 1 - i) for i in range(steps)]
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, kernel_size=3, stride=2, padding=1) for a, b in pairwise(widths)
        )
        # At full size they would cost most, after the last step attention does their work.
        self.blocks = nn.ModuleList(
            nn.Sequential(*(StemBlock(b) for _ in range(STEM_BLOCKS)))
            if 0 < i < steps - 1
            else nn.Identity()
            for i, b in enumerate(widths[1:])
        )
        self.project = nn.Conv2d(width, width, kernel_size=1)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, S, S) to (B, W, S / patch, S / patch)."""
        images = images.contiguous(memory_format=torch.channels_last)
        for layer, blocks in zip(self.layers, self.blocks, strict=True):
            images = blocks(gelu(layer(images)))
        projected: Tensor = self.project(images)
        return projected
