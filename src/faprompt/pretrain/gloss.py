"""Shining metal: threads, turned faces, polished plates, coils and balls under sharp lamps.

A height field says where the surface looks, its slopes choose what it mirrors: highlights are
where they would be, sharp or drawn out by the finish, up to white. None of them is a defect.
Shapes: N pictures, S side.
"""

import torch
from torch import Tensor

from faprompt.pretrain.canvas import Canvas, Scene, blurred, mix, slopes

STEEPEST = 4.0
"""Slopes beyond it look away from every lamp."""


def threaded(canvas: Canvas) -> Scene:
    """Screws, spindles and splines, near or far: flanks, grooves or waves along a bar."""
    angle = canvas.angle()
    along, across = canvas.rotated(angle)
    half = canvas.log_uniform(0.45, 4)
    beyond = (across - canvas.uniform(-0.6, 0.6) * half.clamp(max=1)) / half
    at = beyond.clamp(-1, 1)
    rate = canvas.log_uniform(0.6, 9)
    lead = canvas.uniform(-0.5, 0.5)
    phase = (along + lead * half * torch.asin(at * 0.98)) * rate + canvas.uniform(0, 1)
    profile = _profile(canvas, phase)
    height = half * (1 - at.square() + 1e-4).sqrt() + profile * canvas.uniform(0.1, 0.45) / rate
    image = metal_lit(canvas, height, angle + torch.pi / 2)
    mask = canvas.soft((1 - beyond.abs()) * half, 2)
    ground = (canvas.colour(0.2, 0.0, 0.5) * (1 + 0.1 * canvas.clouds(1.5, 2.2))).clamp(0, 1)
    return Scene(mix(ground, image, mask).clamp(0, 1), mask, ground.expand_as(image))


def turned(canvas: Canvas) -> Scene:
    """Faces turned on a lathe or milled: fine rings around a point, fans of light, steps."""
    u, v = canvas.x - canvas.uniform(-1.2, 1.2), canvas.y - canvas.uniform(-1.2, 1.2)
    radius = (u.square() + v.square() + 1e-6).sqrt()
    rings = canvas.profile((radius - 1.2) / 1.7, 0.8) * canvas.log_uniform(0.001, 0.006)
    feed = canvas.log_uniform(8, 45)
    rings = rings + (radius * feed * 2 * torch.pi).sin() * canvas.uniform(0, 0.12) / feed
    step = ((radius - canvas.uniform(0.2, 1.2)) * canvas.log_uniform(10, 60)).sigmoid()
    step = step * canvas.uniform(-0.1, 0.1) * canvas.chance(0.5)
    turn = torch.atan2(v, u)
    image = metal_lit(canvas, rings + step + _swell(canvas), turn + torch.pi / 2)
    opening = canvas.soft(radius - canvas.uniform(0.05, 0.4), 2)
    opening = mix(torch.ones_like(opening), opening, canvas.chance(0.3))
    ground = canvas.colour(0.2, 0.0, 0.3).expand_as(image)
    return Scene(mix(ground, image, opening), opening, ground)


def polished(canvas: Canvas) -> Scene:
    """Plates, rails and mouldings that mirror lamps and windows; some brushed, some bent."""
    angle = canvas.angle()
    along, across = canvas.rotated(angle)
    bend = canvas.profile(across / 1.5, 1.8) * canvas.uniform(0, 0.25)
    edge = ((across - canvas.uniform(-1, 1)) * canvas.log_uniform(8, 60)).sigmoid()
    waves = (along * canvas.log_uniform(1, 20) * torch.pi + canvas.angle()).sin()
    height = bend + edge * canvas.uniform(-0.3, 0.3) * canvas.chance(0.5)
    height = height + waves * canvas.log_uniform(0.001, 0.02) * canvas.chance(0.4)
    image = metal_lit(canvas, height + _swell(canvas), angle)
    return Scene(image, torch.ones_like(image[:, :1]), image)


def coil(canvas: Canvas) -> Scene:
    """Wire wound side by side, or the turns of a spring with gaps between them."""
    angle = canvas.angle()
    along, across = canvas.rotated(angle)
    rate = canvas.log_uniform(2, 14)
    bow = across.square() * canvas.uniform(-0.3, 0.3) + across * canvas.uniform(-0.3, 0.3)
    phase = (along + bow) * rate
    at = (phase - phase.floor() - 0.5) * canvas.uniform(2.0, 3.2)
    height = (1 - at.square()).clamp(min=1e-4).sqrt() / (2 * rate) - 0.2 * across.square()
    image = metal_lit(canvas, height, angle + torch.pi / 2)
    mask = canvas.soft((1 - at.abs()) / (2 * rate), 1.5)
    ground = (image * canvas.uniform(0.05, 0.3)).clamp(0, 1)
    return Scene(mix(ground, image, mask), mask, ground)


def rack(canvas: Canvas) -> Scene:
    """Racks, splines and gears from near: teeth with straight flanks, slanted or chevroned."""
    angle = canvas.angle()
    along, across = canvas.rotated(angle)
    slant = across * canvas.uniform(-0.8, 0.8)
    slant = mix(slant, slant.abs(), canvas.chance(0.25))
    rate = canvas.log_uniform(0.9, 8)
    phase = (along + slant + along.square() * canvas.uniform(-0.15, 0.15)) * rate
    saw = (phase - phase.floor() - 0.5).abs() * 2
    land = canvas.uniform(0.1, 0.45)
    tooth = ((saw - land) / canvas.uniform(0.15, 0.5)).clamp(0, 1)
    height = tooth * canvas.uniform(0.15, 0.5) / rate + canvas.profile(across / 1.5, 1.8) * 0.1
    image = metal_lit(canvas, height, angle + torch.pi / 2 * canvas.chance(0.5))
    wide = canvas.uniform(0.5, 2.5)
    mask = canvas.soft(wide - (across - canvas.uniform(-0.3, 0.3)).abs(), 2)
    ground = (image * canvas.uniform(0.05, 0.3)).clamp(0, 1)
    return Scene(mix(ground, image, mask), mask, ground)


def bearing(canvas: Canvas) -> Scene:
    """Balls or rollers in a row between two raceways."""
    angle = canvas.angle()
    along, across = canvas.rotated(angle)
    across = across + canvas.uniform(-0.3, 0.3) + along.square() * canvas.uniform(-0.25, 0.25)
    size = canvas.uniform(0.2, 0.45)
    place = along / (size * canvas.uniform(2.05, 2.6)) + canvas.uniform(0, 1)
    near = (place - place.floor() - 0.5) * 2.3
    round_ = torch.where(canvas.chance(0.6) > 0, across / size, across * 0.2)
    far = near.square() + round_.square()
    inside = torch.minimum((1 - far.sqrt()) * size, size - across.abs())
    balls = size * (1 - far).clamp(min=1e-3).sqrt()
    rails = canvas.profile(across / 1.5, 1.6) * 0.15
    on_ball = canvas.soft(inside, 1.5)
    first = metal_lit(canvas, balls, angle)
    rail = metal_lit(canvas, rails, angle)
    gap = canvas.soft(size * 1.1 - across.abs(), 2) * (1 - on_ball)
    image = mix(mix(rail, rail * 0.15, gap), first, on_ball).clamp(0, 1)
    return Scene(image, 1 - gap, image * 0.3)


def _profile(canvas: Canvas, phase: Tensor) -> Tensor:
    """One turn of a thread, 0 to 1: round grooves, flat lands with flanks, teeth or waves."""
    saw = (phase - phase.floor() - 0.5).abs() * 2
    land = canvas.uniform(0.05, 0.6)
    groove = 1 - (1 - (saw / (1 - land)).square()).clamp(min=1e-3).sqrt()
    flank = (saw - land) / canvas.uniform(0.15, 0.9)
    flank = flank.clamp(0, 1).square() * (3 - 2 * flank.clamp(0, 1))
    wave = 0.5 + 0.5 * (phase * 2 * torch.pi).cos()
    kind = canvas.uniform(0, 1)
    rounded = torch.where(kind < 0.4, groove.clamp(max=1), flank)
    return torch.where(kind > 0.8, wave, rounded)


def _swell(canvas: Canvas) -> Tensor:
    """What no machine leaves quite even, (N, 1, S, S) in height."""
    return canvas.clouds(2.0, 2.8, coarsest=1.0) * canvas.log_uniform(0.004, 0.06)


def metal_lit(canvas: Canvas, height: Tensor, finish: Tensor) -> Tensor:
    """The colours (N, 3, S, S) of bright metal with a height field (N, 1, S, S).

    Args:
        canvas: Where to draw.
        height: In coordinates.
        finish: Direction in which it was ground or polished, radians, (N, 1, 1, 1) or per pixel.
    """
    sx, sy = _mirroring(height)
    # Grinding scatters light across its direction alone: highlights are drawn out that way.
    level = finish if finish.shape[-1] == 1 else canvas.angle()
    marks = canvas.fractal(0.1, 0.8, stretch=canvas.log_uniform(4, 40), angle=level)
    marks = marks * canvas.log_uniform(0.004, 0.15)
    grain = canvas.fractal(0.0, 0.9) * canvas.log_uniform(0.002, 0.06)
    cos, sin = finish.cos(), finish.sin()
    sx, sy = sx - marks * sin + grain, sy + marks * cos - grain
    light = canvas.uniform(0.02, 0.5) * (1 + 0.4 * _tilt(canvas, sx, sy))
    for _ in range(3):
        light = light + _lamp(canvas, sx, sy)
    turn = canvas.uniform(0.75, 1.0) + canvas.uniform(0, 0.35) * (sx * cos + sy * sin)
    light = blurred(light * turn.clamp(0.3, 1.2), 1)  # a lens has no edges of one pixel
    light = light / light.mean(dim=(2, 3), keepdim=True) * canvas.log_uniform(0.12, 0.7)
    stain = canvas.clouds(1.2, 2.0) * canvas.uniform(0, 0.12)
    edge = canvas.log_uniform(2, 20)
    oil = ((canvas.clouds(1.6, 2.4, coarsest=2.0) - canvas.uniform(0, 2)) * edge).sigmoid()
    oil = oil * canvas.chance(0.3)
    sheen = mix(light, blurred(light, max(2, canvas.size // 40)) * canvas.uniform(0.6, 1.1), oil)
    return (canvas.colour(0.2, 0.75, 1.0) * sheen * (1 + stain)).clamp(0, 1)


def _mirroring(height: Tensor) -> tuple[Tensor, Tensor]:
    """Slopes (N, 1, S, S) with those beside the border on it, too, none beyond the steepest."""
    dx, dy = slopes(height)
    dx[..., 0], dx[..., -1] = dx[..., 1], dx[..., -2]
    dy[..., 0, :], dy[..., -1, :] = dy[..., 1, :], dy[..., -2, :]
    return dx.clamp(-STEEPEST, STEEPEST), dy.clamp(-STEEPEST, STEEPEST)


def _tilt(canvas: Canvas, sx: Tensor, sy: Tensor) -> Tensor:
    """A room that is brighter on one side, -1 to 1."""
    angle = canvas.angle()
    return torch.tanh(sx * angle.cos() + sy * angle.sin())


def _lamp(canvas: Canvas, sx: Tensor, sy: Tensor) -> Tensor:
    """What a lamp, a tube or a window adds where the slopes mirror it, up to white."""
    u, v = canvas.rotated(canvas.angle(), sx, sy)
    blur = canvas.log_uniform(0.02, 0.4)
    wide, long = canvas.log_uniform(0.03, 0.5), canvas.log_uniform(0.1, 2)
    du = (wide - (u - canvas.uniform(-0.8, 0.8)).abs()) / blur
    dv = (long - (v - canvas.uniform(-0.8, 0.8)).abs()) / blur
    return (3 * du).sigmoid() * (3 * dv).sigmoid() * canvas.log_uniform(0.1, 1.5)
