"""Scenes of scans, radiographs and wet tissue: grey slices, ribs, endoscope views, solar cells.

Each function draws the N pictures of a canvas. Shapes: N pictures, S side.
"""

import torch
from torch import Tensor

from faprompt.pretrain.canvas import Canvas, Scene, blurred, mix, relief
from faprompt.pretrain.textures import surface


def _grey(image: Tensor) -> Tensor:
    """One channel to three, (N, 3, S, S)."""
    return image.clamp(0, 1).expand(-1, 3, -1, -1)


def head_slice(canvas: Canvas) -> Scene:
    """A slice through a head: skin, skull, folded grey matter, ventricles, symmetric."""
    u = canvas.x / canvas.uniform(0.6, 0.85)
    v = canvas.y / canvas.uniform(0.7, 0.92)
    u, v = canvas.rotated(canvas.uniform(-0.15, 0.15), u, v)
    u, v = u.expand(-1, -1, canvas.size, -1), v.expand(-1, -1, -1, canvas.size)
    field = canvas.fractal(1.0, 1.5, coarsest=3.0)
    mirrored = (field + field.flip(3)) / 2 + 0.25 * canvas.fractal(0.8, 1.3)
    radius = (u.square() + v.square() + 1e-9).sqrt() + 0.02 * mirrored
    scalp = canvas.soft(1 - radius, 2)
    bone = canvas.soft(canvas.uniform(0.92, 0.96) - radius, 2)
    inner = canvas.soft(canvas.uniform(0.82, 0.88) - radius, 2)
    folds = (1 - mirrored.abs() * 1.5).clamp(0, 1) * canvas.soft(radius - 0.45, 30)
    white, grey = canvas.uniform(0.35, 0.7), canvas.uniform(0.25, 0.6)
    brain = mix(white, grey, folds * canvas.uniform(0.3, 1)) * (1 + 0.05 * mirrored)
    size = canvas.uniform(0.12, 0.3)
    horn = ((u.abs() - 0.12).square() * 6 + (v + 0.05).square()).sqrt() + 0.02 * mirrored
    ventricle = canvas.soft(size - horn, 3)
    brain = mix(brain, canvas.uniform(0.02, 0.9) * torch.ones_like(brain), ventricle)
    cleft = canvas.soft(canvas.uniform(0.005, 0.02) - u.abs(), 3) * canvas.chance(0.7)
    brain = brain * (1 - 0.4 * cleft)
    head = mix(canvas.uniform(0.4, 0.8), canvas.uniform(0.0, 1.0), bone)
    image = mix(head * torch.ones_like(brain), brain, inner) * scalp
    noisy = image + canvas.fractal(0.0, 0.6) * canvas.uniform(0.005, 0.03)
    image = _grey(noisy)
    return Scene(image, inner, torch.zeros_like(image))


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


def wet_tissue(canvas: Canvas) -> Scene:
    """A view through an endoscope: folds, vessels, highlights, a dark lumen, round frame."""
    u, v = canvas.wobbled(canvas.uniform(0.05, 0.25), 2.2)
    u, v = u - canvas.uniform(-0.7, 0.7), v - canvas.uniform(-0.7, 0.7)
    radius = (u.square() + v.square() + 1e-6).sqrt()
    folds = (radius.log() * canvas.uniform(2, 7) + canvas.angle()).sin()
    smooth = canvas.fractal(2.0, 2.6, coarsest=2.0)
    height = 0.08 * folds * canvas.uniform(0.1, 1) + 0.08 * smooth
    light = relief(height, canvas.angle()) * canvas.uniform(0.2, 0.7)
    red = canvas.uniform(0.55, 0.95)
    tint = torch.cat([red, red * canvas.uniform(0.3, 0.75), red * canvas.uniform(0.2, 0.6)], 1)
    vein = (1 - canvas.fractal(1.5, 1.8, coarsest=3.0).abs() * 4).clamp(0, 1)
    image = tint * (1 + light) * (1 - vein * canvas.uniform(0, 0.2))
    lumen = canvas.soft(canvas.uniform(0.05, 0.35) - radius, canvas.size / 8) * canvas.chance(0.7)
    image = image * (1 - lumen * canvas.uniform(0.5, 0.95)) * (1 - 0.25 * radius.clamp(0, 1.5))
    gleam = relief(height + 0.01 * canvas.fractal(1.2, 1.6), canvas.angle())
    gleam = ((gleam - canvas.uniform(0.45, 0.8)) * 14).sigmoid() * (1 - lumen)
    image = mix(image, torch.ones_like(image), gleam * canvas.chance(0.8) * 0.95)
    frame = (canvas.x.square() + canvas.y.square()).sqrt()
    corner = (canvas.x.abs() + canvas.y.abs()) / canvas.uniform(1.3, 1.7)
    outside = torch.maximum(frame / canvas.uniform(0.98, 1.2), corner)
    seen = mix(torch.ones_like(frame), canvas.soft(1 - outside, 3), canvas.chance(0.6))
    image = (image * seen).clamp(0, 1)
    return Scene(image, seen * (1 - lumen), torch.zeros_like(image))


def skin(canvas: Canvas) -> Scene:
    """Skin from near: fine creases, pores, a mottled tint, some hairs lying across."""
    light = canvas.uniform(0.45, 0.95)
    tint = torch.cat(
        [light, light * canvas.uniform(0.6, 0.85), light * canvas.uniform(0.45, 0.8)], 1
    )
    mottle = 1 + canvas.fractal(1.6, 2.2) * canvas.uniform(0.01, 0.06, 3, 1, 1)
    creases = relief(0.01 * canvas.fractal(0.6, 1.2), canvas.angle()) * canvas.uniform(0.1, 0.6)
    image = tint * mottle * (1 + creases)
    hairy = canvas.chance(0.5)
    for _ in range(5):
        u, v = canvas.rotated(canvas.angle())
        bow = canvas.uniform(-0.4, 0.4) * u.square() + canvas.uniform(-0.9, 0.9)
        hair = canvas.soft(canvas.uniform(0.004, 0.012) - (v - bow).abs())
        hair = hair * ((u - canvas.uniform(-0.8, 0.8)).abs() < canvas.uniform(0.2, 0.9)) * hairy
        image = mix(image, image * canvas.uniform(0.1, 0.5), hair)
    return surface(image.clamp(0, 1))


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
