"""The text tower, computing only the positions that can reach the read-out.

Shapes: P prompts, T positions, W text width, D joint width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from faprompt.clip.attention import (
    KeysValues,
    LayerNorm,
    ResidualBlock,
    Transformer,
    normal_parameter,
)
from faprompt.clip.registry import ClipSpec
from faprompt.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Prefix:
    """What the common beginning of several prompts leaves for the rest of them."""

    length: int
    """T, its positions."""
    blocks: tuple[KeysValues, ...]
    """Keys and values of every block, (1, H, T, W/H) each."""


class TextEncoder(nn.Module):
    """CLIP's causal text transformer with OpenAI's parameter names."""

    def __init__(self, spec: ClipSpec) -> None:
        super().__init__()
        width = spec.text.width
        self.end_token = spec.tokens.end
        embedding = normal_parameter(spec.vocab_size, width, std=0.02)  # OpenAI's initialisation
        self.token_embedding = nn.Embedding(spec.vocab_size, width, _weight=embedding.data)
        self.positional_embedding = normal_parameter(spec.context_length, width, std=0.01)
        self.transformer = Transformer(
            spec.text.layers, width, spec.text.heads, quick_gelu=spec.quick_gelu
        )
        self.ln_final = LayerNorm(width)
        self.text_projection = normal_parameter(width, spec.embed_dim, std=width**-0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        """Token ids (P, T) to text features (P, D), read out at the first end token."""
        end = end_positions(tokens, self.end_token)
        length = int(end.max()) + 1
        return self.encode(self.token_embedding(tokens[:, :length]), end)

    def encode(
        self,
        embeddings: Tensor,
        end: Tensor,
        deep_prompts: Tensor | None = None,
        *,
        prefix: Prefix | None = None,
    ) -> Tensor:
        """Token embeddings to text features (P, D), before normalisation.

        Under the causal mask no position sees a later one, so the caller passes only the
        positions up to the last read-out: 12 instead of 77 for FAPrompt, with equal results.

        Args:
            embeddings: (P, T, W), without positions; T at least ``end.max() + 1``.
            end: Read-out position of each prompt among the T, (P,).
            deep_prompts: (J, N, W); set j replaces the hidden states at positions 1..N at the
                input of block j + 1 (METHOD section 2). Needs J < number of blocks.
            prefix: A common beginning, already encoded with its deep prompts, that
                ``embeddings`` go on from; then without ``deep_prompts``.

        Raises:
            ConfigError: more positions or more sets of deep prompts than the tower takes.
        """
        x, _ = self._walk(embeddings, deep_prompts, prefix)
        last: ResidualBlock = self.transformer.resblocks[-1]  # type: ignore[assignment]
        # Nothing reads the last block's other positions.
        x, _ = last.causal(x, prefix.blocks[-1] if prefix else None, at=end)  # (P, 1, W)
        features: Tensor = self.ln_final(x[:, 0]) @ self.text_projection
        return features

    def prefix(self, embeddings: Tensor, deep_prompts: Tensor | None = None) -> Prefix:
        """Encode a common beginning (T, W) once, for :meth:`encode` to go on from.

        ``deep_prompts`` as there; the positions that they replace must lie in the beginning.
        """
        x, blocks = self._walk(embeddings[None], deep_prompts, None)
        last: ResidualBlock = self.transformer.resblocks[-1]  # type: ignore[assignment]
        _, keys, values = last.attn.split(last.ln_1(x))  # all that the last block leaves
        return Prefix(len(embeddings), (*blocks, (keys, values)))

    def _walk(
        self, embeddings: Tensor, deep_prompts: Tensor | None, prefix: Prefix | None
    ) -> tuple[Tensor, tuple[KeysValues, ...]]:
        """Through all blocks but the last: hidden states (P, T, W), keys and values of each."""
        first = prefix.length if prefix else 0
        last = first + embeddings.shape[1]
        if last > len(self.positional_embedding):
            raise ConfigError(
                f"prompts of {last} tokens, this text tower has {len(self.positional_embedding)} "
                "positions: lower num_normal_tokens or num_abnormal_tokens"
            )
        positions = self.positional_embedding[first:last]
        x = embeddings.to(self.text_projection.dtype) + positions
        sets = 0 if deep_prompts is None else len(deep_prompts)
        if sets >= len(self.transformer.resblocks):
            raise ConfigError(
                f"{sets} sets of deep prompts need more than {sets} text blocks, this tower has "
                f"{len(self.transformer.resblocks)}: lower num_deep_prompts"
            )
        found = []
        for index, module in enumerate([*self.transformer.resblocks][:-1]):
            block: ResidualBlock = module
            x, keys_values = block.causal(x, prefix.blocks[index] if prefix else None)
            found.append(keys_values)
            if deep_prompts is not None and index < sets:
                x = overwrite(x, deep_prompts[index])  # the input of the next block
        return x, tuple(found)


def overwrite(x: Tensor, tokens: Tensor) -> Tensor:
    """Replace positions 1..N of (P, T, W) by ``tokens`` (N, W)."""
    replaced = tokens.to(x.dtype).expand(len(x), -1, -1)
    return torch.cat([x[:, :1], replaced, x[:, 1 + len(tokens) :]], dim=1)


def end_positions(tokens: Tensor, end_token: int) -> Tensor:
    """Position of the first end token of every row of (P, T), as (P,).

    Raises:
        ConfigError: a row has no end token (the text was longer than the context).
    """
    is_end = tokens == end_token
    if not bool(is_end.any(dim=1).all()):
        raise ConfigError(f"a prompt has no end token ({end_token}) within {tokens.shape[1]}")
    return is_end.int().argmax(dim=1)
