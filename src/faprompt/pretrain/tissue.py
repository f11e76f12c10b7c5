"""Living tissue: endoscope views and skin.

Bubbles, mucus, highlights, vessels, folds, frames and text are no defects.
Shapes: N pictures, S side.
"""

import torch
from torch import Tensor

from faprompt.pretrain.canvas import Canvas, Scene, blurred, mix, relief
from faprompt.pretrain.composing import marks
from faprompt.pretrain.textures import surface


def wet_tissue(canvas: Canvas) -> Scene:
    """A view through an endoscope: folds, vessels, highlights, a dark lumen, a black frame."""
    u, v = _bent(canvas, canvas.uniform(0.05, 0.3))
    reach = canvas.uniform(0.2, 1.4)  # from a look down the tube to a look at its wall
    turn = canvas.angle()
    u, v = u - reach * turn.cos() * 0.8, v - reach * turn.sin() * 0.8
    radius = (u.square() + v.square() + 1e-4).sqrt()
    height, shade = _folds(canvas, radius, torch.atan2(v, u))
    image = _mucosa(canvas) * _lamp(canvas, radius, height) * shade
    lumen = canvas.soft(canvas.uniform(0.03, 0.35) - radius, canvas.size / 5) * canvas.chance(0.75)
    image = image * (1 - lumen * canvas.uniform(0.6, 0.97))
    image = _mucus(canvas, image)
    image = mix(image, torch.ones_like(image), _gleam(canvas, height) * (1 - lumen))
    image, seen = _through_lens(canvas, image)
    return Scene(image, seen * (1 - lumen), torch.zeros_like(image))


def rugae(canvas: Canvas) -> Scene:
    """The wall of a stomach: long thick folds side by side, no tube. Held out from training."""
    u, v = _bent(canvas, canvas.uniform(0.1, 0.3))
    turn = canvas.angle()
    across = v * turn.cos() - u * turn.sin()
    wave = (across * canvas.uniform(4, 12) + canvas.angle()).sin().abs().sqrt()
    height = 0.12 * wave * canvas.uniform(0.2, 1) + 0.04 * canvas.clouds(2.2, 3.0, coarsest=2.0)
    image = _mucosa(canvas) * _lamp(canvas, torch.ones_like(wave), height)
    image = image * (1 - (1 - wave) * canvas.uniform(0.1, 0.7))
    image = mix(image, torch.ones_like(image), _gleam(canvas, height))
    image, seen = _through_lens(canvas, image)
    return Scene(image, seen, torch.zeros_like(image))


def _bent(canvas: Canvas, amount: Tensor) -> tuple[Tensor, Tensor]:
    """Coordinates bent by broad noise, (N, 1, S, S) each."""
    bend_x, bend_y = canvas.clouds(2.8, 3.5), canvas.clouds(2.8, 3.5)
    return canvas.x + bend_x * amount, canvas.y + bend_y * amount


def _folds(canvas: Canvas, radius: Tensor, turn: Tensor) -> tuple[Tensor, Tensor]:
    """Ring-like folds around the lumen, broken off here and there: heights, and what they shade.

    Each fold hides what lies behind it: a bright rim, dark on its inner side.
    """
    rate = canvas.log_uniform(2.5, 10)
    own = canvas.clouds(2.6, 3.4, coarsest=2.0)
    phase = radius.log() * rate + canvas.uniform(-1, 1) * turn.cos() + canvas.angle() + 0.5 * own
    ridge = (0.5 + 0.5 * phase.sin()).pow(canvas.log_uniform(1, 5))  # broad valleys, sharp rims
    parts = (canvas.clouds(1.8, 2.4, coarsest=2.0) * 3 + canvas.uniform(-2, 2)).sigmoid()
    lap = phase / (2 * torch.pi)
    hidden = blurred((lap - lap.floor()).pow(canvas.log_uniform(0.7, 3)), 1)
    shade = 1 - parts * hidden * canvas.uniform(0, 0.75) * canvas.chance(0.7)
    steep = canvas.log_uniform(0.02, 0.35)
    height = radius.clamp(0.1, 1) * (steep * ridge * parts + 0.05 * own)
    return height, shade


def _lamp(canvas: Canvas, radius: Tensor, height: Tensor) -> Tensor:
    """The lamp sits beside the lens: near walls are bright, far and slanted ones dark."""
    side = relief(height, canvas.angle()) * canvas.uniform(0.3, 0.9)
    near = (radius / canvas.uniform(0.5, 1.2)).clamp(0.05, 1).pow(canvas.uniform(0.2, 0.9))
    x, y = canvas.x - canvas.uniform(-0.4, 0.4), canvas.y - canvas.uniform(-0.4, 0.4)
    fall = 1 - canvas.uniform(0.05, 0.45) * (x.square() + y.square()).clamp(0, 1.8)
    return (1 + side) * near * fall * canvas.uniform(0.9, 1.4)


def _mucosa(canvas: Canvas) -> Tensor:
    """Colour, fine relief and branching vessels, (N, 3, S, S)."""
    red = canvas.uniform(0.55, 0.95)
    green = red * canvas.uniform(0.35, 0.75)
    tint = torch.cat([red, green, green * canvas.uniform(0.6, 1.05)], 1)
    fine = canvas.fractal(0.9, 1.6, coarsest=canvas.uniform(4, 16))
    if canvas.photos is not None:
        crop = canvas.photos.crops(canvas.count, canvas.size, canvas.generator, ("material",))
        grain = crop.mean(dim=1, keepdim=True)
        grain = (grain - grain.mean(dim=(2, 3), keepdim=True)) * 4
        fine = mix(fine, grain, canvas.chance(0.4))
    broad = canvas.clouds(1.6, 2.4)
    vein = (1 - (canvas.fractal(1.8, 2.2, coarsest=canvas.uniform(2, 5)) * 5).abs()).clamp(0, 1)
    twig = (1 - (fine * 3).abs()).clamp(0, 1)
    lines = vein * canvas.uniform(0, 0.3) + twig * canvas.uniform(0, 0.12)
    lines = lines * (broad * 2).sigmoid() * canvas.chance(0.75)
    loss = torch.cat([0.35 * lines, lines, 0.9 * lines], 1)  # blood swallows green and blue
    pale = 1 + broad * canvas.uniform(0, 0.12) * loss.new_tensor([0.3, 1, 1]).view(1, 3, 1, 1)
    return tint * pale * (1 - loss) * (1 + fine * canvas.uniform(0.005, 0.06))


def _gleam(canvas: Canvas, height: Tensor) -> Tensor:
    """Highlights where wet bumps mirror the lamp: specks, streaks and pools, (N, 1, S, S)."""
    rough = canvas.fractal(1.8, 2.8, coarsest=canvas.uniform(3, 14))
    facing = relief(height + 0.004 * rough, canvas.angle())
    spots = rough * 0.35 + facing
    where = canvas.clouds(1.8, 2.4, coarsest=2.0) * 0.25
    gleam = (spots + where - canvas.uniform(0.8, 1.6)) * canvas.uniform(8, 25)
    return gleam.sigmoid() * canvas.chance(0.85) * canvas.uniform(0.6, 1)


def _mucus(canvas: Canvas, image: Tensor) -> Tensor:
    """Slime with bubbles in it, here and there."""
    film = (canvas.clouds(1.8, 2.4, coarsest=2.0) * 4 - canvas.uniform(3, 8)).sigmoid()
    film = film * canvas.chance(0.3)
    slime = torch.cat(
        [canvas.uniform(0.6, 0.9), canvas.uniform(0.5, 0.8), canvas.uniform(0.3, 0.6)], 1
    )
    image = mix(image, slime * (0.4 + image.mean(dim=1, keepdim=True)), film * 0.5)
    for _ in range(3):
        x, y = canvas.x - canvas.uniform(-0.8, 0.8), canvas.y - canvas.uniform(-0.8, 0.8)
        size = canvas.log_uniform(0.015, 0.08)
        far = (x.square() + y.square()).sqrt()
        rim = canvas.soft(0.007 - (far - size).abs(), 1.5) * canvas.uniform(0.2, 0.7)
        off = ((x + 0.4 * size).square() + (y + 0.4 * size).square()).sqrt()
        spark = canvas.soft(0.25 * size - off)
        image = mix(image, torch.ones_like(image), (rim + spark).clamp(0, 1) * canvas.chance(0.2))
    return image


def _frame(canvas: Canvas) -> Tensor:
    """What the lens lets through: a disc, a square with cut corners, or everything."""
    x, y = canvas.x - canvas.uniform(-0.08, 0.08), canvas.y - canvas.uniform(-0.08, 0.08)
    disc = (x.square() + y.square()).sqrt() / canvas.uniform(0.92, 1.2)
    box = torch.maximum(x.abs() / canvas.uniform(0.85, 1.1), y.abs() / canvas.uniform(0.85, 1.1))
    cut = torch.maximum(box, (x.abs() + y.abs()) / canvas.uniform(1.4, 1.9))
    outside = torch.where(canvas.chance(0.5) > 0, disc, cut)
    shown = canvas.soft(1 - outside, canvas.size / 224 * 4)
    return mix(torch.ones_like(outside), shown, canvas.chance(0.75))


def _through_lens(canvas: Canvas, image: Tensor) -> tuple[Tensor, Tensor]:
    """A picture (N, 3, S, S) with frame and text, and what of it the lens shows (N, 1, S, S)."""
    seen = _frame(canvas)
    image = (image * seen).clamp(0, 1) + _caption(canvas, seen)
    return image.clamp(0, 1), seen


def _caption(canvas: Canvas, seen: Tensor) -> Tensor:
    """Text, and the small box of a position finder, in the black corners, (N, 1, S, S)."""
    x, y = canvas.x, canvas.y
    text = marks(canvas, (x + 1) * 3, (y + 1) * 3) * canvas.chance(0.3)
    text = text * (x < canvas.uniform(-0.9, -0.5)) * (y.abs() > canvas.uniform(0.3, 0.8))
    return text * (seen < 0.02) * canvas.uniform(0.4, 1)


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
