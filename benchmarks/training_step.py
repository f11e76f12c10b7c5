"""One training step on cached features: batch 8, the text tower of ViT-L-14-336, random weights.

"bare" are the products of the text tower, forward and for the gradient, of the same shapes in the
same run: of the common beginning with the static prompts, and of the adapted ones. Marks: 1.5 s in
fp32, 0.6 s in bf16 (two cores with AMX).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from machine import (
    DTYPES,
    arguments,
    check,
    milliseconds,
    quiet_start,
    random_clip,
    report,
    timed,
)
from torch.nn.functional import linear

from faprompt.clip.model import Clip
from faprompt.clip.registry import TowerSize, get_spec
from faprompt.config import LossConfig, MethodConfig
from faprompt.method.losses import Targets
from faprompt.method.network import FAPrompt

LIMITS = {"fp32": 1.8, "bf16": 3.0}  # step / bare: a third above what was measured
BATCH, SIDE, PATCHES = 8, 518, 37 * 37
BEGINNING, ENDING = 6, 6  # positions of the prompts' common beginning, and of each behind it


def small_image_tower(dtype: torch.dtype) -> Clip:
    """The backbone without its image tower, which training on cached features never runs."""
    spec = get_spec("ViT-L-14-336")
    image = TowerSize(layers=1, width=64, heads=1)
    return random_clip(replace(spec, image=image, dual_blocks=1), dtype)


def bare_calls(clip: Clip, prompts: int, dtype: torch.dtype) -> Callable[[], None]:
    """The text tower's products for all prompts, forward and for the gradient."""
    width, layers = clip.spec.text.width, clip.spec.text.layers
    counts = (BEGINNING + (1 + prompts) * ENDING, BATCH * prompts * ENDING)  # one after the other
    pairs = [(3 * width, width), (width, width), (4 * width, width), (width, 4 * width)]
    cases = [
        (
            torch.randn(rows, n).to(dtype),
            torch.randn(m, n).to(dtype),
            torch.randn(rows, m).to(dtype),
        )
        for rows in counts
        for m, n in pairs
    ]

    def run() -> None:
        for _ in range(layers):
            for x, weight, gradient in cases:
                linear(x, weight)
                gradient @ weight

    return run


def stages(
    precision: str, *, compiled: bool = False, device: str = "cpu"
) -> tuple[Callable[[], None], ...]:
    """What a step does: forward, losses, backward, optimiser; and the bare products."""
    torch.manual_seed(0)
    dtype = DTYPES[precision]
    with torch.device(device):
        clip = small_image_tower(dtype).to(device)
        network = FAPrompt(clip, MethodConfig())
        width = clip.spec.embed_dim
        image = torch.randn(BATCH, width).to(dtype)
        patches = torch.randn(BATCH, PATCHES, width).to(dtype)
        masks = (torch.rand(BATCH, SIDE, SIDE) > 0.9).float()
        labels = torch.arange(BATCH) % 2
        bare = bare_calls(clip, network.config.num_abnormality_prompts, dtype)
    network.learner.float()
    forward = torch.compile(network) if compiled else network
    optimiser = torch.optim.Adam(network.learner.parameters(), lr=1e-3, betas=(0.5, 0.999))
    targets = Targets(labels, masks, torch.ones(BATCH, dtype=torch.bool))
    kept: dict[str, Any] = {}

    def text() -> None:
        kept["scores"] = forward(image, patches)

    def losses() -> None:
        kept["loss"] = network.losses(kept["scores"], targets, LossConfig()).total

    def backward() -> None:
        optimiser.zero_grad(set_to_none=True)
        kept["loss"].backward()

    def update() -> None:
        optimiser.step()

    return text, losses, backward, update, bare


def measure(precision: str, repeats: int, *, compiled: bool) -> dict[str, Any]:
    """One row of the table."""
    functions = stages(precision, compiled=compiled)

    def once() -> Sequence[float]:
        return timed(*functions)

    *parts, bare_ms = milliseconds(once, repeats)
    names = ("forward ms", "losses ms", "backward ms", "optimiser ms")
    return {
        "precision": precision,
        "compiled": "yes" if compiled else "no",
        **dict(zip(names, parts, strict=True)),
        "step ms": sum(parts),
        "bare ms": bare_ms,
        "step / bare": sum(parts) / bare_ms,
    }


def main() -> None:
    """Measure a step in every precision."""
    parser = arguments(__doc__)
    parser.add_argument("--precision", choices=DTYPES, nargs="+", default=list(DTYPES))
    parser.add_argument("--compiled", action="store_true", help="with torch.compile, too")
    options = parser.parse_args()
    quiet_start()
    choices = (False, True) if options.compiled else (False,)
    found = (measure(p, options.repeats, compiled=c) for p in options.precision for c in choices)
    rows = report("training step, batch 8, cached features", found, options.json)
    check(rows, "step / bare", LIMITS)


if __name__ == "__main__":
    main()
