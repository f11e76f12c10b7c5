"""Scores and maps from features (METHOD sections 3 and 6). Pure functions, always in fp32.

Shapes: B images, L = G * G patches, D joint width, S side of the map in pixels.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn.functional import interpolate

SMALLEST_SHARE = 1e-6
"""Of the blur's weight: below it there is nothing to take the mean of."""


def norms(features: Tensor) -> Tensor:
    """L2 norms of features (B, L, D), as (B, L, 1); at least 1e-12, as in ``normalize``."""
    lengths: Tensor = vector_norm(features, dim=-1, keepdim=True)
    return lengths.clamp_min(1e-12)


def class_logits(features: Tensor, prototypes: Tensor, scale: Tensor | float) -> Tensor:
    """Cosine similarity to the normal and abnormal prototype, divided by the temperature.

    Args:
        features: (B, L, D).
        prototypes: L2-normalised [F_n, F_a], (B, 2, D) or (1, 2, D).
        scale: tau times the features' norms, (B, L, 1); tau for those of norm 1.

    Returns:
        (B, L, 2).
    """
    return features @ prototypes.transpose(1, 2) / scale


def counting(values: Tensor, keep: Tensor | None) -> Tensor:
    """Patch values (B, L) as candidates for a maximum: 0 where a patch does not count.

    Args:
        values: In [0, 1].
        keep: Bool (B, L); None: all count.
    """
    return values if keep is None else values.masked_fill(~keep, 0)


def image_score(image_probability: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """s(x) = (s_I + (2 max S_a^(1) + max S_a^(2)) / 3) / 2, all (B,); in [0, 1].

    Args:
        image_probability: Abnormality of the class token in round 2, (B,).
        first: Patch abnormality of round 1, (B, L).
        second: Patch abnormality of round 2, (B, L).
    """
    strongest = (2 * first.amax(dim=1) + second.amax(dim=1)) / 3
    return 0.5 * (image_probability + strongest)


def upsample(patches: Tensor, size: int) -> Tensor:
    """Bilinearly resize patch values (B, G * G) to maps (B, S, S): R P R^T, R (S, G).

    Two small products, whose gradient is two more: torch's resize takes several times as long.
    """
    grid = round(patches.shape[1] ** 0.5)
    rows = resize_and_blur_matrix(grid, size, 0.0, device=patches.device)
    maps: Tensor = rows @ patches.unflatten(1, (grid, grid)) @ rows.T
    return maps


def gathered(maps: Tensor, grid: int) -> Tensor:
    """The transpose of :func:`upsample`: maps (B, S, S) to R^T M R, (B, G * G)."""
    rows = resize_and_blur_matrix(grid, maps.shape[-1], 0.0, device=maps.device)
    return (rows.T @ maps @ rows).flatten(1)


def anomaly_map(
    first: Tensor, second: Tensor, *, size: int, blur_sigma: float, keep: Tensor | None = None
) -> Tensor:
    """The final map (B, S, S) in [0, 1]: mean of both rounds, upsampled and blurred.

    Mean, bilinear resize and Gaussian blur are linear and separable, so that one product from
    the left and one from the right do all of them: R S R^T with R = blur @ resize, (S, G).

    Args:
        first: Patch abnormality of round 1, (B, L).
        second: Patch abnormality of round 2, (B, L).
        size: Side of the map in pixels.
        blur_sigma: In pixels of the map; 0 is no blur.
        keep: Which patches count, bool (B, L); None: all. The others lend nothing to their
            neighbours: blurred is the mean of those that count, by the weights of the blur.
    """
    grid = round(first.shape[1] ** 0.5)
    plane = ((first + second) / 2).unflatten(1, (grid, grid))
    rows = resize_and_blur_matrix(grid, size, blur_sigma, device=plane.device)
    blurred: Tensor = rows @ plane @ rows.T
    if keep is not None:
        blurred = torch.where(keep.all(dim=1)[:, None, None], blurred, _among(keep, plane, rows))
    return blurred.clamp(0, 1)  # rounding may step outside by one unit in the last place


def _among(keep: Tensor, plane: Tensor, rows: Tensor) -> Tensor:
    """Normalised blur of the patches that count: R (K S) R^T / R K R^T, 0 where none is near."""
    weights = keep.unflatten(1, plane.shape[1:]).to(plane.dtype)
    share: Tensor = rows @ weights @ rows.T  # of the blur's weight that lies on them, in [0, 1]
    values = rows @ (weights * plane) @ rows.T
    return torch.where(share > SMALLEST_SHARE, values / share.clamp(min=SMALLEST_SHARE), 0)


@lru_cache(maxsize=16)
@torch.inference_mode(mode=False)  # kept from inference, it must serve training, too
def resize_and_blur_matrix(
    grid: int, size: int, blur_sigma: float, *, device: torch.device | str = "cpu"
) -> Tensor:
    """R (S, G): bilinear resize from ``grid`` to ``size`` values, then Gaussian blur.

    Kept on its device, so that no call waits for a transfer.
    """
    eye = torch.eye(grid, dtype=torch.float64)
    resize = interpolate(eye[None], size=size, mode="linear", align_corners=False)[0].T  # (S, G)
    return (blur_matrix(size, blur_sigma) @ resize).float().to(device)


def blur_matrix(size: int, sigma: float) -> Tensor:
    """Gaussian blur of ``size`` values as a matrix (S, S), float64.

    Radius int(4 sigma + 0.5); the border repeats mirrored (d c b a | a b c d | d c b a), as
    scipy.ndimage.gaussian_filter1d with mode ``reflect``.
    """
    if sigma <= 0:
        return torch.eye(size, dtype=torch.float64)
    radius = int(4 * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-0.5 * (offsets.double() / sigma) ** 2)
    source = (torch.arange(size)[:, None] + offsets) % (2 * size)  # period of the mirrored line
    source = torch.minimum(source, 2 * size - 1 - source)  # (S, 2 radius + 1)
    weights = (kernel / kernel.sum()).expand(size, -1)
    return torch.zeros(size, size, dtype=torch.float64).scatter_add_(1, source, weights)
