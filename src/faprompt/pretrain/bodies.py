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
