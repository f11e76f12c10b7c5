"""Things laid on a plain ground: where they lie, how light falls on them, what they cast.

Shapes: N pictures, K things, S side.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from faprompt.pretrain import textures
from faprompt.pretrain.canvas import Canvas, Scene, blurred, mix, slopes

LARGEST, SMALLEST = 0.85, 0.2
"""Length of a thing as a share of the picture's side, where it lies alone."""

ALONE, HEAPED = 0.62, 0.07
"""Shares of scenes with a single thing, and with a heap; the others show two to six alike."""

STEEPEST = 5.0
"""Slopes beyond it count as this: an outline seen from above is upright."""

_MANY, _HEAP = 6, 10


@dataclass(slots=True)
class Lay:
    """Own coordinates of the things in a picture, each pixel in those of its thing."""

    u: Tensor
    """(N, 1, S, S): along a thing, -1 to 1 from end to end."""
    v: Tensor
    """(N, 1, S, S): across it, in the same unit."""
    size: Tensor
    """Half the length of a thing in coordinates, (N, 1, S, S) or (N, 1, 1, 1)."""
    number: Tensor
    """(N, 1, S, S): a random number in [0, 1] for each thing."""
    first: Tensor
    """(N, 1, S, S): 1 where the nearest thing is the one that defects happen to."""


def laid_out(canvas: Canvas, slim: Tensor) -> Lay:
    """Lay one thing, some alike or a heap; ``slim`` (N, 1, 1, 1) is length by width."""
    kind = float(canvas.uniform(0, 1).flatten()[0])
    if kind < ALONE:
        return _alone(canvas)
    return _many(canvas, slim, _HEAP if kind > 1 - HEAPED else _MANY)


def _alone(canvas: Canvas) -> Lay:
    size = canvas.uniform(SMALLEST, LARGEST)
    room = 0.9 * (1 - size)
    x, y = canvas.x - canvas.uniform(-1, 1) * room, canvas.y - canvas.uniform(-1, 1) * room
    u, v = canvas.rotated(canvas.angle(), x / size, y / size)
    ones = torch.ones_like(u)
    return Lay(u, v, size, ones * canvas.uniform(0, 1), ones)


def _many(canvas: Canvas, slim: Tensor, most: int) -> Lay:
    """Each pixel takes the coordinates of the uppermost thing over it, else of the nearest."""
    n, heap = canvas.count, most == _HEAP
    place = canvas.uniform(-0.75, 0.75, most, 2) * (0.7 if heap else 1.0)  # (N, K, 2)
    for _ in range(0 if heap else 12):
        place = _apart(place)
    there = torch.arange(most, device=canvas.device) < canvas.uniform(2, most + 1, 1).floor()
    away = 9.0 + 9 * torch.arange(most, device=canvas.device).view(1, most, 1)
    place = place if heap else torch.where(there.unsqueeze(2), place, away)
    gap = _distances(place)[0].amin(dim=(1, 2)).view(-1, 1, 1, 1)
    size = canvas.uniform(0.22, 0.42) if heap else (0.5 * gap).clamp(0.24, 0.6)
    size = size * canvas.uniform(0.75, 1)
    own = size[:, :, 0] * canvas.uniform(0.88, 1.0, most, 1)  # (N, K, 1)
    common = canvas.chance(0.3).view(n, 1, 1)
    turn = mix(canvas.uniform(0, 6.28, most, 1), canvas.angle().view(n, 1, 1), common)
    above = canvas.uniform(0, 1, most, 1)
    above[:, 0] = 1.1  # the first lies on top, so that its defects are seen
    x, y, cos, sin = place[..., :1], place[..., 1:], turn.cos(), turn.sin()
    dx, dy = canvas.x - x[..., None], canvas.y - y[..., None]  # (N, K, 1, S), (N, K, S, 1)
    u = (dx * cos[..., None] + dy * sin[..., None]) / own[..., None]
    v = (dy * cos[..., None] - dx * sin[..., None]) / own[..., None]
    far = (u.square() + (v * slim).square()).sqrt()
    score = torch.where(far < 1, 1 + above[..., None], -far)
    best = _uppermost(score)
    flat = best.flatten(2).transpose(1, 2).squeeze(2)  # (N, S * S)
    read = torch.cat([own, canvas.uniform(0, 1, most, 1)], 2)  # (N, K, 2)
    read = read.gather(1, flat[..., None].expand(-1, -1, 2)).transpose(1, 2)
    read = read.view(n, 2, canvas.size, canvas.size)
    return Lay(u.gather(1, best), v.gather(1, best), read[:, :1], read[:, 1:], (best == 0).float())


def _uppermost(score: Tensor) -> Tensor:
    """Index of the largest of K scores (N, K, S, S), as (N, 1, S, S); faster than ``argmax``."""
    top, best = score[:, :1], torch.zeros_like(score[:, :1], dtype=torch.long)
    for number in range(1, score.shape[1]):
        own = score[:, number : number + 1]
        best = torch.where(own > top, number, best)
        top = torch.maximum(own, top)
    return best


def _distances(place: Tensor) -> tuple[Tensor, Tensor]:
    """Distances between points (N, K, 2), 9 from each to itself, and differences."""
    away = place[:, :, None] - place[:, None]  # (N, K, K, 2)
    far = away.square().sum(dim=3).clamp(min=1e-6).sqrt()
    return far + 9 * torch.eye(far.shape[1], device=far.device), away


def _apart(place: Tensor) -> Tensor:
    """Move points (N, K, 2) away from their neighbours, within the picture."""
    far, away = _distances(place)
    push = away / far[..., None] * (0.75 - far).clamp(min=0)[..., None]
    return (place + 0.3 * push.sum(dim=2)).clamp(-0.78, 0.78)


def plain_ground(canvas: Canvas, thing: Tensor) -> Tensor:
    """What single things are photographed on, black to white, (N, 3, S, S).

    It mostly differs from the brightness of the ``thing``, (N, 1, 1, 1).
    """
    level = canvas.uniform(0, 1)
    far = canvas.chance(0.45)  # black cloth and white paper come most often
    level = mix(level, torch.where(level < 0.5, 0.1 * level, 1 - 0.1 * (1 - level)), far)
    gap = canvas.uniform(0.15, 0.4) * torch.where(thing < canvas.uniform(0.2, 0.7), 1.0, -1.0)
    close = ((level - thing).abs() < 0.12).float() * canvas.chance(0.85)
    level = mix(level, (thing + gap).clamp(0, 1), close)
    tint = 1 + canvas.uniform(-1, 1, 3, 1, 1) * canvas.uniform(0, 0.35) * canvas.chance(0.5)
    slope = canvas.x * canvas.uniform(-1, 1) + canvas.y * canvas.uniform(-1, 1)
    fall = (canvas.x.square() + canvas.y.square()) * canvas.uniform(0, 0.12)
    light = 1 + slope * canvas.uniform(0, 0.15) - fall * canvas.chance(0.5)
    cloud = canvas.clouds(1.4, 2.2) * canvas.uniform(0, 0.05) * canvas.chance(0.5)
    grain = canvas.fractal(0.0, 0.9, stretch=canvas.log_uniform(1, 6), angle=canvas.angle())
    grain = grain * canvas.log_uniform(0.004, 0.06) * canvas.chance(0.7)
    image = level * tint * (light + cloud) + grain * (0.15 + 0.85 * level)
    kind = float(canvas.uniform(0, 1).flatten()[0])
    if kind < 0.2:
        painter = textures.weave if kind < 0.08 else textures.wood
        if canvas.photos is not None and kind < 0.14:
            painter = textures.photo_surface
        cloth = painter(canvas).image
        cloth = cloth - cloth.mean(dim=(2, 3), keepdim=True)
        image = image + cloth * canvas.uniform(0.1, 0.5)
    return image.clamp(0, 1)


def laid(
    canvas: Canvas,
    lay: Lay,
    *,
    body: Tensor,
    inside: Tensor,
    height: Tensor,
    shine: Tensor | float = 0.3,
) -> Scene:
    """Things on a plain ground, lit from one side, with their shadow.

    Args:
        canvas: Where to draw.
        lay: Where they lie.
        body: Colours under even light, (N, 3, S, S).
        inside: Distance to the outlines in coordinates, positive inside, (N, 1, S, S).
        height: Of the upper side, in half lengths of a thing, (N, 1, S, S).
        shine: Strength of highlights, 0 to about 1.

    Returns:
        The scene; ``foreground`` are all things, ``part`` is the one that defects happen to.
    """
    turn = canvas.angle()
    mask = canvas.soft(inside, 1.3)
    image = lit(canvas, body, height * lay.size, turn=turn, shine=shine)
    weight = mask.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1)
    grey = (image.mean(dim=1, keepdim=True) * mask).sum(dim=(1, 2, 3), keepdim=True) / weight
    ground = plain_ground(canvas, grey)
    dark = _shadow(canvas, mask, turn) * canvas.uniform(0.1, 0.8) * canvas.chance(0.7)
    below = ground * (1 - dark * (1 - mask))
    near = mask * lay.first
    return Scene(mix(below, image, mask), mask, below.expand_as(image), near)


def lit(
    canvas: Canvas, body: Tensor, height: Tensor, *, turn: Tensor, shine: Tensor | float
) -> Tensor:
    """Colours (N, 3, S, S) of a surface of some height (N, 1, S, S, in coordinates) under a lamp.

    Lambert's law for the lamp and a share of even light, Blinn's for its highlight, and a paler
    rim where the skin is seen at a slant.
    """
    dx, dy = slopes(height)
    dx, dy = dx.clamp(-STEEPEST, STEEPEST), dy.clamp(-STEEPEST, STEEPEST)
    upright = (1 + dx.square() + dy.square()).rsqrt()
    low = canvas.uniform(0.15, 1.1)  # angle from the zenith
    side = -(dx * turn.cos() + dy * turn.sin()) * upright
    facing = (side * low.sin() + upright * low.cos()).clamp(min=0)
    even = canvas.uniform(0.25, 0.75)
    light = even * (0.55 + 0.45 * upright) + (1 - even) * facing / low.cos().clamp(min=0.6)
    half = low / 2
    mirror = (side * half.sin() + upright * half.cos()).clamp(0, 1)
    spark = mirror.pow(canvas.log_uniform(6, 250)) * shine * canvas.uniform(0.3, 1)
    slant = (1 - upright).square() * shine * canvas.uniform(0, 0.3)
    white = 0.8 + 0.2 * body / body.amax(dim=1, keepdim=True).clamp(min=0.1)
    return (body * light * canvas.uniform(0.85, 1.2) + white * (spark + slant)).clamp(0, 1)


def _shadow(canvas: Canvas, mask: Tensor, turn: Tensor) -> Tensor:
    """Shadow beside things, away from the lamp and soft with distance, (N, 1, S, S)."""
    quarter = interpolate(mask, scale_factor=0.25, mode="area")
    far = canvas.log_uniform(0.01, 0.12)
    rows = torch.zeros(canvas.count, 2, 3, device=canvas.device)
    rows[:, 0, 0] = rows[:, 1, 1] = 1.0
    rows[:, 0, 2] = (far * turn.cos()).flatten()
    rows[:, 1, 2] = (far * turn.sin()).flatten()
    grid = affine_grid(rows, list(quarter.shape), align_corners=False)
    moved = grid_sample(quarter, grid, align_corners=False)
    soft = blurred(moved, max(2, quarter.shape[-1] // 24))
    dark = mix(moved, soft, canvas.uniform(0.2, 1)) * 0.7 + 0.4 * blurred(quarter, 2)
    side = (canvas.size, canvas.size)
    return interpolate(dark, size=side, mode="bilinear", align_corners=False).clamp(0, 1)
