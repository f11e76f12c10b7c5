"""Residual attention blocks of both towers, with OpenAI's parameter names.

Shapes: B sequences, L positions, T positions before them, D width, H heads.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import (
    gelu,
    layer_norm,
    linear,
    pad,
    scaled_dot_product_attention,
    silu,
)

QUICK = 1.702
"""QuickGELU(x) = x * sigmoid(QUICK * x)."""

TILE = 32
"""Keys that AMX multiplies at once in bf16."""
LONG = 512
"""Positions from which copying the keys costs less than their last, broken tile."""

KeysValues = tuple[Tensor, Tensor]
"""Keys and values of some positions in one block, (B, H, L, D/H) each."""


def normal_parameter(*shape: int, std: float) -> nn.Parameter:
    """A parameter of ``shape`` that starts normally distributed around zero."""
    values = torch.empty(shape)
    if not values.is_meta:  # there is nothing to fill, and torch would import its compiler to do it
        values.normal_(std=std)
    return nn.Parameter(values)


def pick(x: Tensor, at: Tensor) -> Tensor:
    """Positions ``at`` (B, N) of every row of (B, L, ...), as (B, N, ...)."""
    return x[torch.arange(len(x), device=x.device)[:, None], at]


def masked_attention(q: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> Tensor:
    """Attention of few positions, written out.

    For texts of a dozen positions this is faster than torch's fused kernel, whose backward pass
    in bf16 takes ten times as long on a CPU (docs/performance.md). The softmax is fp32 in any case.

    Args:
        q: (B, H, L, D/H).
        k: (B, H, T, D/H).
        v: As the keys.
        seen: Which of the T keys a query attends to, to be broadcast to (B, H, L, T).

    Returns:
        (B, H, L, D/H).
    """
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)  # (B, H, L, T)
    weights = scores.float().masked_fill(~seen, -torch.inf).softmax(dim=-1)
    attended: Tensor = weights.to(v.dtype) @ v
    return attended


def full_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of every position to all, (B, H, L, D/H) each.

    Torch's fused kernel, and in bf16 on a CPU what suits it (docs/performance.md): while towers
    learn attention is written out, as the kernel's backward pass takes three times as long; else
    keys that nearly fill whole tiles fill them.
    """
    narrow = q.dtype == torch.bfloat16 and q.device.type == "cpu"
    if narrow and q.requires_grad:
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)  # (B, H, L, T)
        attended: Tensor = scores.softmax(dim=-1) @ v
        return attended
    missing = -k.shape[2] % TILE
    if narrow and k.shape[2] >= LONG and 0 < missing < TILE / 2:
        return filled_attention(q, k, v, missing)
    return scaled_dot_product_attention(q, k, v)


def filled_attention(q: Tensor, k: Tensor, v: Tensor, missing: int) -> Tensor:
    """The same with so many more keys, which no query sees."""
    hidden = pad(k.new_zeros(k.shape[2]), (0, missing), value=-torch.inf)  # added to the scores
    values = pad(v, (0, 0, 0, missing))
    keys = values if k is v else pad(k, (0, 0, 0, missing))
    return scaled_dot_product_attention(q, keys, values, attn_mask=hidden.expand(1, 1, 1, -1))


def plus(fresh: Tensor, x: Tensor) -> Tensor:
    """The sum of a tensor that nobody else reads and ``x``, in place where that loses nothing.

    Under autocast a block's branches are bf16 and what runs past them is fp32.
    """
    return fresh.add_(x) if fresh.dtype == x.dtype else fresh + x


class LayerNorm(nn.LayerNorm):
    """Layer norm whose result has the input's precision; its arithmetic is fp32 in any case."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise the last dimension of (..., D)."""
        weight, bias = self.weight.to(input.dtype), self.bias.to(input.dtype)
        return layer_norm(input, self.normalized_shape, weight, bias, self.eps)


class Attention(nn.Module):
    """Self-attention that can also attend by value: one set of weights, two readings."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(
            nn.init.xavier_uniform_(nn.Linear(width, 3 * width).weight)
        )
        self.in_proj_bias = nn.Parameter(nn.init.zeros_(nn.Linear(1, 3 * width).bias))
        self.out_proj = nn.Linear(width, width)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Project (B, L, D) to queries, keys and values, each (B, H, L, D/H)."""
        qkv = linear(x, self.in_proj_weight, self.in_proj_bias)  # (B, L, 3D)
        qkv = qkv.reshape(*x.shape[:2], 3, self.heads, -1)  # (B, L, 3, H, D/H)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, H, L, D/H)
        return q, k, v

    def merge(self, heads: Tensor) -> Tensor:
        """Bring the heads (B, H, L, D/H) back to (B, L, D) and project them."""
        projected: Tensor = self.out_proj(heads.transpose(1, 2).flatten(2))
        return projected

    def forward(self, x: Tensor) -> Tensor:
        """Ordinary query-key attention over (B, L, D)."""
        q, k, v = self.split(x)
        return self.merge(full_attention(q, k, v))

    def masked(
        self, x: Tensor, seen: Tensor, past: KeysValues | None = None, at: Tensor | None = None
    ) -> tuple[Tensor, KeysValues]:
        """Attention of every position of (B, L, D) to those that it may see.

        Args:
            x: (B, L, D).
            seen: Which positions it sees, bool (L, T + L).
            past: Keys and values of T positions before them, the same for all B, (1, H, T, D/H).
            at: The positions of each row that are wanted, (B, N); by default all.

        Returns:
            (B, L, D) or (B, N, D), and the keys and values of ``x`` alone.
        """
        q, k, v = self.split(x)
        keys, values = k, v
        if past is not None:
            keys, values = (
                torch.cat([before.expand(len(x), -1, -1, -1), now], dim=2)
                for before, now in zip(past, (k, v), strict=True)
            )
        if at is not None:
            q, seen = pick(q.transpose(1, 2), at).transpose(1, 2), seen[at][:, None]
        return self.merge(masked_attention(q, keys, values, seen)), (k, v)

    def dual(self, x: Tensor, queries: int | None = None) -> tuple[Tensor, Tensor]:
        """Query-key and value-value attention of the same (B, L, D).

        In the v-v reading a patch attends to its look-alikes, which keeps anomalies local
        (CLIP Surgery, arXiv:2304.05653; METHOD section 1).

        Args:
            x: (B, L, D).
            queries: How many of the first positions the query-key reading is wanted for; by
                default all. It is (B, queries, D) then.
        """
        q, k, v = self.split(x)
        ordinary = full_attention(q[:, :, :queries], k, v)
        local = full_attention(v, v, v)
        both = torch.cat([ordinary.transpose(1, 2), local.transpose(1, 2)], dim=1).flatten(2)
        count = ordinary.shape[2]
        del q, k, v, ordinary, local  # freed before the next product takes memory
        projected: Tensor = self.out_proj(both)  # both readings in one product
        return projected[:, :count], projected[:, count:]


class Mlp(nn.Module):
    """The block's two-layer perceptron, four times as wide inside."""

    def __init__(self, width: int, *, quick_gelu: bool) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)
        self.quick_gelu = quick_gelu

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., D) to (..., D)."""
        # QuickGELU is OpenAI's approximation; mixing the two up is silent and costs accuracy.
        if not self.quick_gelu:
            projected: Tensor = self.c_proj(gelu(self.c_fc(x)))
            return projected
        # It is SiLU(1.702 h) / 1.702, whose factors the products take along: two passes less over
        # the widest tensor, and two roundings. SiLU's gradient reads its input.
        up, down, rows = self.c_fc, self.c_proj, x.flatten(0, -2)
        # Not beta: onnxruntime's int8 forgets it.
        hidden = torch.addmm(QUICK * up.bias, rows, up.weight.t(), alpha=QUICK)
        hidden = silu(hidden, inplace=not torch.is_grad_enabled())
        return torch.addmm(down.bias, hidden, down.weight.t(), alpha=1 / QUICK).view_as(x)


class ResidualBlock(nn.Module):
    """One pre-norm transformer block."""

    def __init__(self, width: int, heads: int, *, quick_gelu: bool) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(width)
        self.attn = Attention(width, heads)
        self.ln_2 = LayerNorm(width)
        self.mlp = Mlp(width, quick_gelu=quick_gelu)

    def forward(self, x: Tensor) -> Tensor:
        """The ordinary CLIP block over (B, L, D)."""
        x = plus(self.attn(self.ln_1(x)), x)
        return plus(self.mlp(self.ln_2(x)), x)

    def masked(
        self, x: Tensor, seen: Tensor, past: KeysValues | None = None, at: Tensor | None = None
    ) -> tuple[Tensor, KeysValues]:
        """The text tower's block over (B, L, D); see :meth:`Attention.masked`."""
        attended, keys_values = self.attn.masked(self.ln_1(x), seen, past, at)
        x = (x if at is None else pick(x, at)) + attended
        return plus(self.mlp(self.ln_2(x)), x), keys_values

    def dual(self, x: Tensor, local: Tensor, queries: int | None = None) -> tuple[Tensor, Tensor]:
        """One dual-path step: the ordinary stream and the local stream, both (B, L, D).

        The local stream takes the v-v attention of the ORDINARY stream and has no MLP. Of the
        ordinary stream only the first ``queries`` positions are computed, by default all.
        """
        ordinary, vv = self.attn.dual(self.ln_1(x), queries)
        x = x[:, :queries] + ordinary
        return plus(self.mlp(self.ln_2(x)), x), local + vv


class Transformer(nn.Module):
    """A stack of blocks; the towers walk through ``resblocks`` themselves."""

    def __init__(self, layers: int, width: int, heads: int, *, quick_gelu: bool) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(
            ResidualBlock(width, heads, quick_gelu=quick_gelu) for _ in range(layers)
        )
