"""A backbone that fits on a postcard, and pictures for it."""

import numpy as np
from PIL import Image

from faprompt.clip.registry import ClipSpec, PromptTokens, TowerSize

SPEC = ClipSpec(
    name="micro",
    image=TowerSize(layers=3, width=32, heads=2),
    text=TowerSize(layers=9, width=32, heads=2),
    embed_dim=24,
    patch_size=16,
    native_size=64,
    default_size=64,
    dual_blocks=2,
    quick_gelu=True,
    context_length=16,
    vocab_size=10,
    tokens=PromptTokens(start=0, end=1, object=2, damaged=3, full_stop=4),
)


def picture(seed: int, size: tuple[int, int] = (48, 32)) -> Image.Image:
    """A picture of smooth noise, (width, height)."""
    small = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
