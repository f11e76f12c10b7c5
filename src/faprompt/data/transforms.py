"""From an image to the tensor a backbone reads. Shapes: S input side in pixels."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

Triple = tuple[float, float, float]


def preprocess(image: Image.Image, *, size: int, mean: Triple, std: Triple) -> Tensor:
    """Resize to a square and normalise (METHOD section 1).

    RGB first, then Pillow's bicubic resize (antialiased; no crop, so the aspect may change).

    Args:
        image: Any Pillow image; see ``faprompt.data.images`` for reading files.
        size: S, side of the square.
        mean: Per channel, of values in [0, 1].
        std: Per channel, of values in [0, 1].

    Returns:
        Normalised pixels, float32 (3, S, S).

    Example:
        >>> white = Image.new("RGB", (4, 2), "white")
        >>> preprocess(white, size=2, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)).unique()
        tensor([1.])
    """
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    square = rgb.resize((size, size), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1)  # (3, S, S) uint8
    normalised = pixels.to(torch.float32, memory_format=torch.contiguous_format)
    scale = torch.tensor(std).mul_(255).reciprocal_().view(3, 1, 1)
    shift = torch.tensor(mean).div_(torch.tensor(std)).view(3, 1, 1)
    return normalised.mul_(scale).sub_(shift)
