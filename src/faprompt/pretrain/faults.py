"""Defects of structure: what is missing, moved, foreign or wiped away.

The same signature as in :mod:`faprompt.pretrain.defects`. Shapes: N pictures, S side.
"""

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from faprompt.pretrain.canvas import Canvas, Scene, blurred, mix
from faprompt.pretrain.defects import LONE, Damage, blob, centre_in, plain
from faprompt.pretrain.textures import ramp


def missing(canvas: Canvas, scene: Scene) -> Damage:
    """One part of many is not there; without parts, a large piece is cut away."""
    if scene.part is not None:
        return mix(scene.image, scene.background, scene.part), scene.part
    u, _ = canvas.rotated(canvas.angle())
    jag = canvas.clouds(1.2, 2.2, coarsest=2.0) * canvas.uniform(0, 0.06)
    beyond = u - canvas.uniform(0.0, 0.5) + jag
    bite = blob(canvas, scene.foreground, 0.15, 0.6)
    beyond = torch.where(canvas.chance(0.4) > 0, bite * 0.2, beyond)
    mask = canvas.soft(beyond) * scene.foreground
    return mix(scene.image, scene.background, mask), mask


def bend(canvas: Canvas, scene: Scene) -> Damage:
    """The structure is pushed sideways or twisted within a region."""
    x, y = centre_in(canvas, scene.foreground)
    radius = canvas.log_uniform(0.15, 0.5)
    dx, dy = canvas.x - x, canvas.y - y
    inside = (1 - (dx.square() + dy.square()) / radius.square()).clamp(0, 1).square()
    twist = inside * canvas.uniform(1.0, 3.0) * canvas.chance(0.5)
    u, v = canvas.rotated(twist, dx, dy)
    push = inside * radius * canvas.uniform(0.3, 0.8)
    turn = canvas.angle()
    grid = torch.cat([u + x + push * turn.cos(), v + y + push * turn.sin()], 1)
    moved = grid_sample(
        scene.image, grid.permute(0, 2, 3, 1), align_corners=False, padding_mode="reflection"
    )
    return moved, (inside > 0.03).float()


def patch(canvas: Canvas, scene: Scene) -> Damage:
    """A piece of another picture, or of another place, its outline hard or feathered."""
    # A turned piece of the same noise cannot be told from its place: half get a new pattern.
    drawn = ramp(canvas, canvas.fractal(0.2, 1.8, stretch=canvas.log_uniform(1, 12)))
    other = mix(scene.image.roll(1, 0).rot90(1, (2, 3)), drawn, canvas.chance(0.5))
    if canvas.photos is not None:
        group = ("material", "object", "scene")
        photo = canvas.photos.crops(canvas.count, canvas.size, canvas.generator, group)
        other = mix(other, photo, canvas.chance(0.7))
    # On plain ground a large piece has the ground's colours, else it would be a thing on it.
    matched, bare = canvas.chance(0.5), plain(scene)
    lone = bare * (1 - matched)
    other = mix(other, _matched(canvas, other, scene.image), matched)
    rounded = blob(canvas, scene.foreground, 0.06, 0.6, small=lone)
    x, y = centre_in(canvas, scene.foreground)
    u, v = canvas.rotated(canvas.angle(), canvas.x - x, canvas.y - y)
    width, height = canvas.log_uniform(0.04, 0.5), canvas.log_uniform(0.04, 0.5)
    width, height = (mix(side, side.clamp(max=LONE), lone) for side in (width, height))
    box = torch.minimum(width - u.abs(), height - v.abs())
    inside = torch.where(canvas.chance(0.35) > 0, box, rounded * 0.2)
    feather = canvas.log_uniform(1.5, 16)
    feather = torch.where(bare * matched > 0, feather.clamp(min=8), feather)
    mask = canvas.soft(inside, feather) * scene.foreground
    return mix(scene.image, other, mask * canvas.uniform(0.5, 1)), mask


def _matched(canvas: Canvas, other: Tensor, image: Tensor) -> Tensor:
    """The fine structure of one picture on the broad colours of another: no seam in colour."""
    reach = max(2, canvas.size // 12)
    detail = other - blurred(other, reach)
    detail = mix(detail, detail.mean(dim=1, keepdim=True), canvas.uniform(0, 1))
    return (blurred(image, reach) + detail * canvas.uniform(0.5, 1.3)).clamp(0, 1)


def displaced(canvas: Canvas, scene: Scene) -> Damage:
    """A part, or what lies beyond a break, has moved or turned."""
    if scene.part is not None:
        moving = scene.part
    else:
        along, across = canvas.rotated(canvas.angle())
        jag = 0.02 * canvas.profile(across / 2, 1.3)
        moving = canvas.soft(along - canvas.uniform(-0.3, 0.4) + jag) * scene.foreground
    weight = moving.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    x = (moving * canvas.x).sum(dim=(2, 3), keepdim=True) / weight
    y = (moving * canvas.y).sum(dim=(2, 3), keepdim=True) / weight
    u, v = canvas.rotated(canvas.uniform(-0.5, 0.5), canvas.x - x, canvas.y - y)
    far, turn = canvas.uniform(0.04, 0.2), canvas.angle()
    grid = torch.cat([u + x + far * turn.cos(), v + y + far * turn.sin()], 1)
    layers = torch.cat([scene.image, moving], 1)
    there = grid_sample(layers, grid.permute(0, 2, 3, 1), align_corners=False)
    left = mix(scene.image, scene.background, moving)
    mask = torch.maximum(moving, there[:, 3:])
    return mix(left, there[:, :3], there[:, 3:]), mask


def smear(canvas: Canvas, scene: Scene) -> Damage:
    """The structure is wiped away: blurred, slightly paler."""
    inside = blob(canvas, scene.foreground, 0.12, 0.5, ragged=0.4)
    mask = (inside * 12).sigmoid() * (inside > -0.2) * scene.foreground
    wiped = blurred(blurred(scene.image, max(2, canvas.size // 24)), max(1, canvas.size // 48))
    return mix(scene.image, wiped + canvas.uniform(-0.15, 0.15), mask), mask


def misprint(canvas: Canvas, scene: Scene) -> Damage:
    """A band or box of the picture is shifted or printed twice."""
    x, y = centre_in(canvas, scene.foreground)
    long = canvas.chance(0.4)
    width = torch.where(long > 0, torch.full_like(long, 2.0), canvas.uniform(0.1, 0.5))
    inside = torch.minimum(
        width - (canvas.x - x).abs(), canvas.uniform(0.05, 0.3) - (canvas.y - y).abs()
    )
    mask = canvas.soft(inside) * scene.foreground
    shift = max(2, canvas.size // 16)
    shifted = scene.image.roll((shift, shift // 2), (3, 2))
    ghost = torch.minimum(scene.image, shifted)
    return mix(scene.image, mix(shifted, ghost, canvas.chance(0.4)), mask), mask
