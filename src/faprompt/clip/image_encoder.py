"""The image tower: an ordinary CLIP ViT, with or without the local v-v path.

Shapes: B images, S input side in pixels, L patches, W tower width, D joint width.
"""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate

from faprompt.clip.attention import LayerNorm, ResidualBlock, Transformer, normal_parameter
from faprompt.clip.registry import ClipSpec
from faprompt.errors import ConfigError

STEM_BLOCKS = 2
"""Residual blocks after a step of the convolutional stem."""


@dataclass(frozen=True, slots=True)
class DualFeatures:
    """What the dual path sees in a batch of images, before any normalisation."""

    image: Tensor
    """(B, D): class token of the ordinary stream, projected without ``ln_post``."""
    local: dict[int, Tensor]
    """0-based block to its local features (B, 1 + L, D), class token first."""

    def patches(self, block: int | None = None) -> Tensor:
        """Patch features (B, L, D) of ``block``, by default the last one asked for."""
        return self.local[max(self.local) if block is None else block][:, 1:]


class InstanceNorm(nn.Module):
    """Each channel of each image relative to its own mean and deviation.

    Written out, because torch's own kernels are slow on channels-last memory on a CPU.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, H, W) over H and W; statistics in fp32."""
        variance, mean = torch.var_mean(x.float(), dim=(2, 3), keepdim=True, correction=0)
        scale = self.weight.float().view(-1, 1, 1) * (variance + 1e-5).rsqrt()
        shift = self.bias.float().view(-1, 1, 1) - mean * scale
        return x * scale.to(x.dtype) + shift.to(x.dtype)


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


class ImageEncoder(nn.Module):
    """CLIP's vision transformer with OpenAI's parameter names."""

    def __init__(self, spec: ClipSpec) -> None:
        super().__init__()
        width, patch = spec.image.width, spec.patch_size
        self.patch_size = patch
        self.dual_blocks = spec.dual_blocks
        self.conv1: nn.Module = (
            ConvStem(width, patch)
            if spec.conv_stem
            else nn.Conv2d(3, width, kernel_size=patch, stride=patch, bias=False)
        )
        scale = width**-0.5  # OpenAI's initialisation
        self.class_embedding = normal_parameter(width, std=scale)
        self.positional_embedding = normal_parameter(spec.native_grid**2 + 1, width, std=scale)
        self.ln_pre = LayerNorm(width)
        self.transformer = Transformer(
            spec.image.layers, width, spec.image.heads, quick_gelu=spec.quick_gelu
        )
        self.ln_post = LayerNorm(width)
        self.proj = normal_parameter(width, spec.embed_dim, std=scale)

    def forward(self, images: Tensor) -> Tensor:
        """Ordinary CLIP: normalised pixels (B, 3, S, S) to image features (B, D)."""
        x = self._embed(images)
        for block in self.transformer.resblocks:
            x = block(x)
        features: Tensor = self.ln_post(x[:, 0]) @ self.proj
        return features

    def dual(self, images: Tensor, blocks: Collection[int] | None = None) -> DualFeatures:
        """Both paths from one set of weights (METHOD section 1).

        Args:
            images: Normalised pixels (B, 3, S, S), S a multiple of the patch size.
            blocks: 0-based blocks whose local features are wanted, each one of the last
                ``dual_blocks``; by default the last block alone.

        Raises:
            ConfigError: the input does not fit, or a block has no local stream.
        """
        layers = len(self.transformer.resblocks)
        first = layers - self.dual_blocks
        wanted = {layers - 1} if blocks is None else set(blocks)
        if odd := sorted(b for b in wanted if not first <= b < layers):
            raise ConfigError(
                f"blocks {odd} have no local stream; this tower has it in blocks "
                f"{first} to {layers - 1} (0-based)"
            )
        x = self._embed(images)
        local_features: dict[int, Tensor] = {}
        local = x
        for index, module in enumerate(self.transformer.resblocks):
            block: ResidualBlock = module  # type: ignore[assignment]
            if index < first:
                x = local = block(x)
                continue
            x, local = block.dual(x, local)
            if index in wanted:
                local_features[index] = self.ln_post(local) @ self.proj
        return DualFeatures(image=x[:, 0] @ self.proj, local=local_features)

    def _embed(self, images: Tensor) -> Tensor:
        """Cut patches, add class token and positions: (B, 3, S, S) to (B, 1 + L, W)."""
        side = images.shape[-1]
        if images.ndim != 4 or images.shape[1:] != (3, side, side) or side % self.patch_size:
            raise ConfigError(
                f"image batch has shape {tuple(images.shape)}; needed is (B, 3, S, S) with S a "
                f"multiple of the patch size {self.patch_size}"
            )
        patches = self.conv1(images.to(self.proj.dtype)).flatten(2).transpose(1, 2)  # (B, L, W)
        class_token = self.class_embedding.expand(len(images), 1, -1)
        positions = resize_positions(self.positional_embedding, side // self.patch_size)
        x: Tensor = self.ln_pre(torch.cat([class_token, patches], dim=1) + positions)
        return x


def resize_positions(embedding: Tensor, grid: int) -> Tensor:
    """Bilinearly resize stored positions (1 + N * N, W) to (1 + grid * grid, W).

    The class position is kept; the stored parameter is not touched (METHOD section 1).
    """
    native = round((len(embedding) - 1) ** 0.5)
    if native == grid:
        return embedding
    plane = embedding[1:].float().T.reshape(1, -1, native, native)  # (1, W, N, N)
    plane = interpolate(plane, size=(grid, grid), mode="bilinear", align_corners=False)
    patches = plane.flatten(2)[0].T.to(embedding.dtype)  # (grid * grid, W)
    return torch.cat([embedding[:1], patches])
