"""The image tower: an ordinary CLIP ViT, with or without the local v-v path.

Shapes: B images, S input side in pixels, L patches, W tower width, D joint width.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from faprompt.clip.attention import LayerNorm, ResidualBlock, Transformer, normal_parameter
from faprompt.clip.registry import ClipSpec
from faprompt.clip.stem import ConvStem
from faprompt.errors import ConfigError


@dataclass(frozen=True, slots=True)
class DualFeatures:
    """What the dual path sees in a batch of images, before any normalisation."""

    image: Tensor
    """(B, D): class token of the ordinary stream, projected without ``ln_post``."""
    local: dict[int, Tensor]
    """0-based block to its local features (B, 1 + L, D), class token first."""
    ordinary: Callable[[], Tensor] = field(repr=False)
    """Computes what ordinary CLIP makes of every token: the ordinary stream after ``ln_post``,
    projected (B, 1 + L, D), class token first. Those who do not call it do not pay for it."""

    def patches(self, block: int | None = None) -> Tensor:
        """Patch features (B, L, D) of ``block``, by default the last one asked for."""
        return self.local[max(self.local) if block is None else block][:, 1:]


@dataclass(frozen=True, slots=True)
class Reading:
    """Which features of an image a method reads; the default is what FAPrompt reads."""

    blocks: tuple[int, ...] = ()
    """0-based blocks whose local features are read together; none: the last block's alone."""
    ordinary: bool = False
    """Read ordinary CLIP, class token and patches alike, in place of the dual path."""

    def of(self, dual: DualFeatures) -> tuple[Tensor, Tensor]:
        """Image features (B, D) and patch features (B, L, D), or (B, N, L, D) of N blocks."""
        if self.ordinary:
            tokens = dual.ordinary()
            return tokens[:, 0], tokens[:, 1:]
        if not self.blocks:
            return dual.image, dual.patches()
        return dual.image, torch.stack([dual.patches(block) for block in self.blocks], dim=1)


DEFAULT_READING = Reading()


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
        return self.read_out(x[:, 0])

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
            before = x
            # Of the last block's ordinary stream only the class token is read.
            x, local = block.dual(x, local, queries=1 if index == layers - 1 else None)
            if index in wanted:
                local_features[index] = self.read_out(local)
        return DualFeatures(
            x[:, 0] @ self.proj, local_features, lambda: self.read_out(block(before))
        )

    def windows(self, images: Tensor, members: Tensor) -> Tensor:
        """Image features of windows: each is seen with the tokens of its patches alone.

        Positions are those of the whole image (WinCLIP, arXiv:2303.14814).

        Args:
            images: Normalised pixels (B, 3, S, S).
            members: Patches of each of N windows of k patches, in raster order, (N, k).

        Returns:
            (B, N, D), as ordinary CLIP reads them, with ``ln_post``.
        """
        tokens = self._embed(images)  # (B, 1 + L, W)
        with_class = torch.cat([members.new_zeros(len(members), 1), members + 1], dim=1)
        x = tokens[:, with_class].flatten(0, 1)  # (B * N, 1 + k, W)
        for block in self.transformer.resblocks:
            x = block(x)
        features: Tensor = self.read_out(x[:, 0]).unflatten(0, (len(images), len(members)))
        return features

    def read_out(self, tokens: Tensor) -> Tensor:
        """Tokens of a stream (..., W) to the joint space (..., D), with ``ln_post``."""
        features: Tensor = self.ln_post(tokens) @ self.proj
        return features

    def _embed(self, images: Tensor) -> Tensor:
        """Cut patches, add class token and positions: (B, 3, S, S) to (B, 1 + L, W)."""
        side = images.shape[-1]
        if images.ndim != 4 or images.shape[1:] != (3, side, side) or side % self.patch_size:
            raise ConfigError(
                f"image batch has shape {tuple(images.shape)}; needed is (B, 3, S, S) with S a "
                f"multiple of the patch size {self.patch_size}"
            )
        cut = self.conv1(images.to(next(self.conv1.parameters()).dtype))  # a stem stays in fp32
        patches = cut.to(self.proj.dtype).flatten(2).transpose(1, 2)  # (B, L, W)
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
