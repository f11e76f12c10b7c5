"""ViT-L-14-336 with random weights on one 518x518 image and on eight, against its bare products.

"bare" are the linear and scaled_dot_product_attention calls of the image tower alone, of the same
shapes, in the same run. Marks: 1.3 s (bf16, AMX) or 5 s (fp32) per image; at most 1.35 x bare;
after the tower at most 40 ms, at batch 8 at most 25 ms per image.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from machine import (
    DTYPES,
    arguments,
    check,
    milliseconds,
    quiet_start,
    random_network,
    report,
    timed,
)
from torch.nn.functional import linear, scaled_dot_product_attention

from faprompt.clip.registry import ClipSpec, get_spec

BACKBONE = "ViT-L-14-336"
LIMITS = {"fp32": 1.35, "bf16": 1.35}  # total / bare


def bare_calls(spec: ClipSpec, batch: int, dtype: torch.dtype) -> Callable[[], None]:
    """The products and attentions of the dual path, and nothing else."""
    size, width, heads = spec.image, spec.image.width, spec.image.heads
    length = (spec.default_size // spec.patch_size) ** 2 + 1

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape).to(dtype)

    x, twice, wide = (noise(batch, n, w) for n, w in _shapes(length, width))
    joint, out = noise(3 * width, width), noise(width, width)
    up, down = noise(4 * width, width), noise(width, 4 * width)
    q = noise(batch, heads, length, width // heads)

    def run() -> None:
        for block in range(size.layers):
            dual = block >= size.layers - spec.dual_blocks
            last = block == size.layers - 1
            linear(x, joint)
            scaled_dot_product_attention(q[:, :, :1] if last else q, q, q)
            if dual:
                scaled_dot_product_attention(q, q, q)
            linear(twice if dual and not last else x, out)
            if not last:
                linear(x, up)
                linear(wide, down)

    return run


def _shapes(length: int, width: int) -> tuple[tuple[int, int], ...]:
    return (length, width), (2 * length, width), (length, 4 * width)


def measure(precision: str, batch: int, repeats: int) -> dict[str, Any]:
    """One row of the table."""
    spec, dtype = get_spec(BACKBONE), DTYPES[precision]
    clip, network = random_network(spec, dtype)
    images = torch.randn(batch, 3, spec.default_size, spec.default_size)
    bare = bare_calls(spec, batch, dtype)
    with torch.inference_mode():
        text = network.static_text()
        seen: list[Any] = []

        def tower() -> None:
            seen[:] = [clip.visual.dual(images)]

        def after() -> None:
            scores = network(seen[0].image, seen[0].patches(), text=text)
            scores.anomaly_map(spec.default_size, blur_sigma=network.config.blur_sigma)

        def stages() -> Sequence[float]:
            return timed(tower, after, bare)

        tower_ms, after_ms, bare_ms = (ms / batch for ms in milliseconds(stages, repeats))
    return {
        "precision": precision,
        "batch": batch,
        "tower ms/image": tower_ms,
        "after ms/image": after_ms,
        "total ms/image": tower_ms + after_ms,
        "bare ms/image": bare_ms,
        "total / bare": (tower_ms + after_ms) / bare_ms,
    }


def after_tower(precision: str, batch: int, repeats: int) -> dict[str, Any]:
    """What follows the image tower alone, on random features: seconds instead of minutes."""
    spec, dtype = get_spec(BACKBONE), DTYPES[precision]
    _, network = random_network(spec, dtype)
    patches = (spec.default_size // spec.patch_size) ** 2
    image = torch.randn(batch, spec.embed_dim).to(dtype)
    local = torch.randn(batch, patches, spec.embed_dim).to(dtype)
    with torch.inference_mode():
        text = network.static_text()

        def after() -> None:
            scores = network(image, local, text=text)
            scores.anomaly_map(spec.default_size, blur_sigma=network.config.blur_sigma)

        (found,) = milliseconds(lambda: timed(after), repeats)
    return {"precision": precision, "batch": batch, "after ms/image": found / batch}


def main() -> None:
    """Measure every precision at every batch size."""
    parser = arguments(__doc__)
    parser.add_argument("--precision", choices=DTYPES, nargs="+", default=list(DTYPES))
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--after-tower", action="store_true", help="what follows it alone")
    options = parser.parse_args()
    quiet_start()
    pairs = [(p, b) for p in options.precision for b in options.batch]
    if options.after_tower:
        found = (after_tower(p, b, options.repeats) for p, b in pairs)
        report(f"{BACKBONE}, after the image tower", found, options.json)
        return
    found = (measure(p, b, options.repeats) for p, b in pairs)
    rows = report(f"{BACKBONE}, one 518x518 image", found, options.json)
    check(rows, "total / bare", LIMITS)


if __name__ == "__main__":
    main()
