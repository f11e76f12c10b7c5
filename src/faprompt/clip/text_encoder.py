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
        first, count = prefix.length if prefix else 0, embeddings.shape[1]
        seen = torch.ones(count, first + count, dtype=torch.bool, device=embeddings.device)
        read, _ = self._read(
            embeddings,
            self._positions(first + count)[first:],
            seen.tril(first),
            end[:, None],
            deep_prompts=deep_prompts,
            past=prefix.blocks if prefix else None,
        )
        return read[:, 0]

    def branches(
        self,
        beginning: Tensor,
        endings: Tensor,
        end: Tensor,
        deep_prompts: Tensor | None = None,
    ) -> tuple[Tensor, Prefix]:
        """Encode prompts with a common beginning, in one row: that once, then all their endings.

        Args:
            beginning: (T, W), without positions; holds what ``deep_prompts`` replace.
            endings: (P, T', W).
            end: Read-out position of each prompt among the T', (P,).
            deep_prompts: As in :meth:`encode`.

        Returns:
            Text features (P, D), before normalisation, and the beginning for :meth:`encode` to go
            on from.
        """
        (count, length), first = endings.shape[:2], len(beginning)
        device = endings.device
        places = torch.arange(first + length, device=device)
        branch = torch.arange(count, device=device)
        # The beginning is branch -1, which all see; of the others each sees itself.
        of = torch.cat([branch.new_full((first,), -1), branch.repeat_interleave(length)])
        positions = torch.cat([places[:first], places[first:].repeat(count)])
        related = (of[None] == of[:, None]) | (of[None] < 0)
        row, blocks = self._read(
            torch.cat([beginning, endings.flatten(0, 1)])[None],
            self._positions(first + length)[positions],
            related.tril(),
            (first + branch * length + end)[None],
            deep_prompts=deep_prompts,
        )
        kept = tuple((keys[:, :, :first], values[:, :, :first]) for keys, values in blocks)
        return row[0], Prefix(first, kept)

    def _positions(self, count: int) -> Tensor:
        """The first position embeddings (``count``, W)."""
        if count > len(self.positional_embedding):
            raise ConfigError(
                f"prompts of {count} tokens, this text tower has {len(self.positional_embedding)} "
                "positions: lower num_normal_tokens or num_abnormal_tokens"
            )
        return self.positional_embedding[:count]

    def _read(
        self,
        embeddings: Tensor,
        positions: Tensor,
        seen: Tensor,
        at: Tensor,
        *,
        deep_prompts: Tensor | None = None,
        past: tuple[KeysValues, ...] | None = None,
    ) -> tuple[Tensor, tuple[KeysValues, ...]]:
        """Features (P, N, D) at the positions ``at`` (P, N), keys and values of every block."""
        x = embeddings.to(self.text_projection.dtype) + positions
        sets = 0 if deep_prompts is None else len(deep_prompts)
        count = len(self.transformer.resblocks)
        if sets >= count:
            raise ConfigError(
                f"{sets} sets of deep prompts need more than {sets} text blocks, this tower has "
                f"{count}: lower num_deep_prompts"
            )
        found = []
        for index, module in enumerate(self.transformer.resblocks):
            block: ResidualBlock = module  # type: ignore[assignment]
            # Nothing reads the last block's other positions.
            wanted = at if index == count - 1 else None
            x, keys_values = block.masked(x, seen, past[index] if past else None, wanted)
            found.append(keys_values)
            if deep_prompts is not None and index < sets:
                x = overwrite(x, deep_prompts[index])  # the input of the next block
        features: Tensor = self.ln_final(x) @ self.text_projection
        return features, tuple(found)


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
