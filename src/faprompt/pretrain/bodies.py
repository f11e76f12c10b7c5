"""Scenes of scans and radiographs: a trunk's slice, ribs, solar cells.

Each function draws the N pictures of a canvas. Shapes: N pictures, S side.
"""

import torch
from torch import Tensor

from faprompt.pretrain.canvas import Canvas, Scene, blurred, mix
from faprompt.pretrain.textures import surface


def _grey(image: Tensor) -> Tensor:
    """One channel to three, (N, 3, S, S)."""
    return image.clamp(0, 1).expand(-1, 3, -1, -1)


def liver_slice(canvas: Canvas) -> Scene:
    """A slice through a trunk: wall, spine, a few organs, vessels."""
    u, v = canvas.x / canvas.uniform(0.85, 0.95), canvas.y / canvas.uniform(0.65, 0.8)
    wobble = canvas.fractal(2.0, 2.5, coarsest=2.0) * 0.04
    radius = (u.square() + v.square() + 1e-9).sqrt() + wobble
    wall, body = canvas.soft(1 - radius, 2), canvas.soft(0.9 - radius, 3)
    image = mix(torch.full_like(radius, 0.35), torch.full_like(radius, 0.5), body)
    organs = torch.zeros_like(radius)
    for _ in range(4):
        du = (u - canvas.uniform(-0.5, 0.5)) / canvas.uniform(0.15, 0.45)
        dv = (v - canvas.uniform(-0.5, 0.4)) / canvas.uniform(0.15, 0.4)
        organ = canvas.soft(1 - (du.square() + dv.square()).sqrt() - 3 * wobble, 4) * body
        image = mix(image, canvas.uniform(0.35, 0.75) * torch.ones_like(image), organ)
        organs = torch.maximum(organs, organ)
    spine = canvas.soft(0.12 - (u.square() + (v - 0.65).square()).sqrt(), 3)
    image = mix(image, torch.full_like(image, 0.95), spine)
    noisy = image * wall + canvas.fractal(0.0, 0.8) * canvas.uniform(0.005, 0.03)
    image = _grey(noisy)
    return Scene(image, body * (1 - spine), torch.zeros_like(image))


def organ_slice(canvas: Canvas) -> Scene:
    """Soft organs side by side: lobed borders, fat between them, vessels cut along and across.

    From a whole section to a view of one organ; gas, ribs and bright vessels are no defects.
    """
    zoom = canvas.log_uniform(0.6, 1.6)
    bend = canvas.clouds(2.2, 3.0, coarsest=2.0) * canvas.uniform(0.02, 0.1)
    x, y = canvas.rotated(canvas.angle(), canvas.x / zoom, canvas.y / zoom)
    image = canvas.uniform(0.1, 0.4) * (1 + 0.06 * canvas.clouds(1.0, 1.8, coarsest=3.0))
    solid = torch.zeros_like(image)
    far = ((x * canvas.uniform(0.8, 1.1)).square() + (y * 1.15).square() + 1e-6).sqrt() + 0.4 * bend
    for number in range(5):
        # The first is the large one; the others lie around it.
        away = canvas.uniform(0, 0.3) if number == 0 else canvas.uniform(0.45, 0.9)
        turn = canvas.angle()
        size = canvas.uniform(0.45, 0.75) if number == 0 else canvas.uniform(0.12, 0.35)
        u, v = canvas.rotated(canvas.angle(), x - away * turn.cos(), y - away * turn.sin())
        edge = size - ((u * canvas.uniform(0.7, 1)).square() + v.square() + 1e-6).sqrt()
        edge = edge + 1.5 * bend * (1 if number == 0 else -1)
        organ = canvas.soft(edge * zoom, canvas.uniform(2, 5))
        tone = canvas.uniform(0.35, 0.68) * torch.ones_like(image)
        coat = canvas.soft(0.03 - edge.abs(), 3) * canvas.uniform(-0.15, 0.25)
        hollow = canvas.soft(edge - canvas.uniform(0.04, 0.12), 3) * canvas.chance(0.3)
        tone = mix(tone, canvas.uniform(0, 0.9), hollow * (number > 0)) + coat * canvas.chance(0.4)
        image = mix(image, tone, organ * (1 - solid * (number > 0)))
        solid = torch.maximum(solid, organ)
    image = image + _vessels(canvas, bend) * solid * canvas.uniform(-0.15, 0.35)
    wall = canvas.soft(canvas.uniform(0.9, 1.0) - far, 3)
    rib = ((torch.atan2(y, x) * canvas.uniform(6, 16).round()).cos() * 4).sigmoid()
    rim = canvas.soft(0.05 - (far - 0.88).abs(), 3) * rib * canvas.chance(0.6)
    image = mix(image, torch.full_like(image, 0.95), rim * canvas.uniform(0.3, 1)) * wall
    image = image + canvas.fractal(0.0, 0.9) * canvas.uniform(0.005, 0.04)
    image = _grey(image * canvas.uniform(0.55, 1.05))
    inner = canvas.soft(0.8 - far, 4)
    return Scene(image, inner * (1 - rim), torch.zeros_like(image))


def _vessels(canvas: Canvas, bend: Tensor) -> Tensor:
    """Branching vessels cut along, and round ones cut across, (N, 1, S, S) in [0, 1]."""
    field = canvas.clouds(1.6, 2.2, coarsest=canvas.uniform(2, 5))
    thin = canvas.uniform(6, 16)
    along = (1 - (field * thin * 0.5).abs()).clamp(0, 1) * (canvas.clouds(1.5, 2.2) * 3).sigmoid()
    near, own = canvas.dots(canvas.uniform(5, 14), canvas.x + bend, canvas.y - bend)
    across = ((0.06 + 0.2 * own.square() - near) * 14).sigmoid() * (own > canvas.uniform(0.2, 0.8))
    return torch.maximum(along * canvas.chance(0.7), across).clamp(0, 1)


def radiograph(canvas: Canvas) -> Scene:
    """Overlapping bars and clouds that add up, as in a radiograph of bones."""
    image = canvas.uniform(0.15, 0.45) + 0.06 * canvas.fractal(1.8, 2.3)
    tilt = canvas.uniform(-0.6, 0.6)
    arc = canvas.y + tilt * canvas.x + canvas.uniform(-0.5, 0.5) * canvas.x.square()
    bars = (arc * canvas.uniform(5, 14) + canvas.angle()).sin()
    image = image + torch.tanh(bars * 3) * canvas.uniform(0.03, 0.12)
    for _ in range(2):
        _, across = canvas.rotated(canvas.angle())
        half = canvas.uniform(0.08, 0.3)
        bone = (1 - ((across - canvas.uniform(-0.6, 0.6)) / half).square()).clamp(0, 1)
        image = image + bone.sqrt() * canvas.uniform(0.0, 0.25)
    image = image + canvas.fractal(0.0, 0.8) * canvas.uniform(0.005, 0.03)
    return surface(_grey(image))


def cell_panel(canvas: Canvas) -> Scene:
    """A solar cell in its own light: grains, thin fingers, a few bus bars, dark gaps."""
    grains = canvas.fractal(1.0, 1.5, coarsest=4.0)
    image = canvas.uniform(0.35, 0.65) * (1 + 0.10 * grains)
    fingers = (canvas.y * canvas.uniform(60, 120)).sin()
    image = image * (1 + canvas.uniform(0.0, 0.08) * fingers)
    bars = canvas.uniform(2, 5).round()
    place = (canvas.x + 1) / 2 * bars
    bus = canvas.soft(0.03 - (place - place.floor() - 0.5).abs(), 3)
    image = mix(image, torch.full_like(image, 0.12), bus * canvas.uniform(0.5, 1))
    border = torch.maximum(canvas.x.abs(), canvas.y.abs())
    corner = (canvas.x.abs() + canvas.y.abs()) / 1.85
    image = image * canvas.soft(0.97 - torch.maximum(border, corner), 2)
    image = blurred(image, 1) + canvas.fractal(0.0, 0.3) * 0.015
    return surface(_grey(image))
