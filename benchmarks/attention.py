"""One call of the image tower's attention in bf16: 16 heads of 64, in several ways in turn.

"filled" is what the towers do: keys copied to whole tiles, those that fill hidden. "not hidden" is
the same without hiding: wrong, and what a kernel could reach that took broken tiles as whole ones.
"error" is the largest distance of "filled" from fp64, behind it that of the fused kernel.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from machine import arguments, milliseconds, quiet_start, report, timed
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from faprompt.clip.attention import TILE, full_attention

HEADS, WIDTH = 16, 64
LENGTHS = [1 + side**2 for side in (27, 28, 32, 37, 40)]  # class token and patches

Way = Callable[[Tensor, Tensor, Tensor], Tensor]


def not_hidden(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Keys and values of zero take part."""
    missing = (0, 0, 0, -k.shape[2] % TILE)
    return scaled_dot_product_attention(q, pad(k, missing), pad(v, missing))


def by_heads(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Written out, two heads at a time, scores in bf16."""
    pairs = zip(*(tensor.split(2, dim=1) for tensor in (q, k, v)), strict=True)
    scale = q.shape[-1] ** -0.5
    done = [(scale * a @ b.transpose(-1, -2)).softmax(dim=-1) @ c for a, b, c in pairs]
    return torch.cat(done, dim=1)


WAYS: dict[str, Way] = {
    "fused": scaled_dot_product_attention,
    "filled": full_attention,
    "not hidden": not_hidden,
    "by heads": by_heads,
}


@torch.inference_mode()
def measure(length: int, repeats: int) -> dict[str, Any]:
    """One row of the table."""
    q, k, v = torch.randn(1, length, 3, HEADS, WIDTH).bfloat16().permute(2, 0, 3, 1, 4)
    calls = [partial(way, q, k, v) for way in WAYS.values()]
    took = milliseconds(lambda: timed(*calls), repeats)
    exact = scaled_dot_product_attention(q.double(), k.double(), v.double())
    errors = [float((WAYS[n](q, k, v) - exact).abs().max()) for n in ("filled", "fused")]
    row = {f"{name} ms": value for name, value in zip(WAYS, took, strict=True)}
    return {"positions": length, **row, "error": "{:.1e} ({:.1e})".format(*errors)}


def main() -> None:
    """Measure every length."""
    parser = arguments(__doc__)
    parser.add_argument("--positions", type=int, nargs="+", default=LENGTHS)
    options = parser.parse_args()
    quiet_start()
    found = (measure(length, options.repeats) for length in options.positions)
    report("attention, bf16", found, options.json)


if __name__ == "__main__":
    main()
