"""Scenes that are one surface: stone, wood, metal, fabric, tiles, photographs.

Each function draws the N pictures of a canvas. Shapes: N pictures, S side.
"""

import torch
from torch import Tensor

from faprompt.pretrain.canvas import Canvas, Scene, blurred, mix, relief


def surface(image: Tensor) -> Scene:
    """Wrap a picture (N, 3, S, S) of nothing but surface."""
    image = image.clamp(0, 1)
    return Scene(image, torch.ones_like(image[:, :1]), image)


def ramp(canvas: Canvas, field: Tensor, spread: float = 0.35) -> Tensor:
    """Colour a field (N, 1, S, S) of unit deviation by two similar colours, (N, 3, S, S)."""
    base = canvas.colour()
    other = base + (canvas.colour(0.8) - base) * canvas.uniform(0.1, 2 * spread)
    return mix(base, other, (field * canvas.uniform(0.5, 1.5)).sigmoid())


def stone(canvas: Canvas) -> Scene:
    """Clouds of several grains, lit from the side."""
    grain = canvas.fractal(0.6, 1.6)
    image = ramp(canvas, canvas.fractal(1.0, 2.0, coarsest=canvas.uniform(1, 8)))
    rough = relief(0.01 * grain, canvas.angle()) * canvas.uniform(0, 1.2)
    return surface(image * (1 + rough) + grain * canvas.uniform(0, 0.06))


def granite(canvas: Canvas) -> Scene:
    """Grains of a few colours."""
    x, y = canvas.wobbled(canvas.uniform(0.0, 0.01))
    first, second, number = canvas.cells(canvas.uniform(8, 30), 1.0, x, y)
    base = canvas.colour()
    image = base + (canvas.colour(0.9) - base) * canvas.uniform(0.1, 0.6) * number
    seam = canvas.soft(second - first - 0.1, 4.0)
    return surface(image * mix(canvas.uniform(0.7, 1.0), torch.ones_like(seam), seam))


def wood(canvas: Canvas) -> Scene:
    """Rings cut along the stem, with fine pores."""
    angle = canvas.angle()
    along, across = canvas.rotated(angle)
    bend = canvas.fractal(1.6, 2.2, stretch=3.0, angle=angle) * canvas.uniform(0.02, 0.12)
    rings = ((across + bend) * canvas.uniform(4, 25) * 3.0 + 0.3 * along).sin()
    pores = canvas.fractal(0.2, 0.6, stretch=8.0, angle=angle)
    field = rings * canvas.uniform(0.2, 1.2) + pores * canvas.uniform(0.1, 0.5)
    return surface(ramp(canvas, field, 0.25))


def brushed(canvas: Canvas) -> Scene:
    """Metal with fine parallel lines and broad, soft reflections."""
    angle = canvas.angle()
    lines = canvas.fractal(0.0, 0.5, stretch=canvas.log_uniform(6, 30), angle=angle)
    along, _ = canvas.rotated(angle)
    bands = (along * canvas.uniform(0.5, 3) + canvas.angle()).cos() * canvas.uniform(0, 0.15)
    cloud = canvas.fractal(1.5, 2.2) * canvas.uniform(0, 0.06)
    base = canvas.colour(0.15, 0.25, 0.85)
    return surface(base * (1 + bands + cloud + lines * canvas.uniform(0.01, 0.10)))


def painted(canvas: Canvas) -> Scene:
    """Almost nothing: paint, plastic or paper with a little structure."""
    cloud = canvas.fractal(1.5, 2.5) * canvas.uniform(0, 0.06)
    peel = canvas.fractal(0.0, 0.8, coarsest=canvas.uniform(4, 20)) * canvas.uniform(0, 0.04)
    return surface(canvas.colour(0.9) * (1 + cloud + peel))


def grating(canvas: Canvas) -> Scene:
    """Stripes of any profile, straight or gently bent."""
    x, y = canvas.wobbled(canvas.uniform(0, 0.02), 2.0)
    _, across = canvas.rotated(canvas.angle(), x, y)
    phase = across * canvas.log_uniform(10, 60) + canvas.angle()
    wave = torch.tanh(phase.sin() * canvas.log_uniform(0.5, 6))
    field = wave + canvas.fractal(0.5, 1.5) * canvas.uniform(0, 0.4)
    return surface(ramp(canvas, field, 0.4))


def weave(canvas: Canvas) -> Scene:
    """Warp and weft threads, each with its own shade."""
    x, y = canvas.wobbled(canvas.uniform(0, 0.01), 2.0)
    u, v = canvas.rotated(canvas.angle(), x, y)
    rate = canvas.log_uniform(12, 45)
    u, v = u * rate, v * rate * canvas.uniform(0.8, 1.2)
    over = ((u.floor() + v.floor()) % 2) < 0.5
    warp = (torch.pi * (u - u.floor())).sin() * (0.6 + 0.4 * (torch.pi * (v - v.floor())).sin())
    weft = (torch.pi * (v - v.floor())).sin() * (0.6 + 0.4 * (torch.pi * (u - u.floor())).sin())
    base = canvas.colour()
    second = base + (canvas.colour() - base) * canvas.chance(0.4) * canvas.uniform(0, 1)
    shade = torch.where(over, warp, weft) * canvas.uniform(0.2, 0.6)
    image = torch.where(over, base, second) * (0.6 + shade)
    return surface(image * (1 + canvas.fractal(0.3, 1.2) * canvas.uniform(0.01, 0.08)))


def tiles(canvas: Canvas) -> Scene:
    """Tiles or bricks in a bond, joints between them."""
    u, v = canvas.rotated(canvas.angle() / 8 - 0.4)
    across = canvas.uniform(1.5, 6)
    line = v * across * canvas.uniform(1.0, 2.2)
    column = u * across + 0.5 * canvas.chance(0.5) * (line.floor() % 2)
    fu, fv = column - column.floor(), line - line.floor()
    border = torch.minimum(torch.minimum(fu, 1 - fu), torch.minimum(fv, 1 - fv))
    joint = (border / across - canvas.uniform(0.004, 0.02)) * 20
    tint = ((column.floor() * 12.9898 + line.floor() * 78.233).sin() * 43758.5).frac().abs()
    grain = canvas.fractal(0.8, 1.8)
    image = ramp(canvas, grain, 0.2) * (1 + (tint - 0.5) * canvas.uniform(0, 0.4))
    return surface(mix(canvas.colour(0.2), image, (joint * canvas.uniform(2, 8)).sigmoid()))


def pebbles(canvas: Canvas) -> Scene:
    """Rounded cells side by side: leather, pebbles, foam."""
    x, y = canvas.wobbled(canvas.uniform(0.0, 0.03), 1.2)
    first, second, number = canvas.cells(canvas.log_uniform(6, 30), 0.9, x, y)
    dome = (second - first).clamp(0, 0.6)
    base = canvas.colour()
    light = relief(dome * 0.02, canvas.angle()) * canvas.uniform(0.2, 1)
    shade = 1 - canvas.uniform(0.1, 0.6) * (1 - dome / 0.6).square()
    tint = 1 + (number - 0.5) * canvas.uniform(0, 0.3)
    return surface(base * shade * tint * (1 + light))


def marble(canvas: Canvas) -> Scene:
    """Veins through pale clouds."""
    field = canvas.fractal(1.4, 1.9)
    vein = (1 - (field * canvas.uniform(0.8, 1.6)).abs()).clamp(0, 1).pow(canvas.uniform(3, 9))
    base = canvas.colour(0.2, 0.5, 0.95)
    image = base * (1 + 0.05 * canvas.fractal(1.5, 2))
    return surface(mix(image, canvas.colour(0.3), vein * canvas.uniform(0.2, 0.7)))


def mesh(canvas: Canvas) -> Scene:
    """Wires with gaps between them."""
    u, v = canvas.rotated(canvas.angle())
    rate, wire = canvas.uniform(4, 12), canvas.uniform(0.12, 0.3)
    fu = ((u * rate) - (u * rate).round()).abs()
    fv = ((v * rate) - (v * rate).round()).abs()
    edge = torch.minimum(fu, fv)
    metal = ((wire - edge) / canvas.pixel / rate + 0.5).clamp(0, 1)
    light = 1 - (edge / wire).clamp(0, 1).square() * canvas.uniform(0.3, 0.8)
    image = canvas.colour(0.3, 0.4) * light * (1 + 0.05 * canvas.fractal(0.5, 1.5))
    hidden = canvas.colour(0.4, 0.02, 0.6) * (1 + 0.05 * canvas.fractal(1.5, 2))
    return surface(mix(hidden, image, metal))


def denim(canvas: Canvas) -> Scene:
    """Twill: diagonal ribs of blue and white yarn."""
    x, y = canvas.wobbled(0.004, 2.0)
    u, v = canvas.rotated(canvas.uniform(-0.1, 0.1), x, y)
    rate = canvas.uniform(24, 36)
    phase = u * rate + ((v * rate).floor() % 3) / 3
    rib = (2 * torch.pi * phase).sin()
    yarn = 0.75 + 0.25 * (torch.pi * (v * rate - (v * rate).floor())).sin()
    slub = canvas.fractal(0.2, 0.8, stretch=5.0, angle=torch.zeros_like(rate)) * 0.12
    blue = torch.tensor([0.16, 0.26, 0.46], device=canvas.device).view(1, 3, 1, 1)
    pale = torch.tensor([0.62, 0.68, 0.76], device=canvas.device).view(1, 3, 1, 1)
    share = (0.28 + 0.22 * rib + slub + 0.08 * canvas.fractal(1.8, 2.2)).clamp(0, 1)
    return surface(mix(blue, pale, share) * yarn * canvas.uniform(0.8, 1.1))


def photo_surface(canvas: Canvas) -> Scene:
    """Photographs of materials."""
    return surface(_crop(canvas, ("material",), widest=1.7))


def photo_scene(canvas: Canvas) -> Scene:
    """Photographs of anything."""
    return surface(_crop(canvas, ("scene", "object", "medical")))


def _crop(canvas: Canvas, groups: tuple[str, ...], *, widest: float = 1.0) -> Tensor:
    """Crops of photographs (N, 3, S, S), recoloured, some in grey."""
    assert canvas.photos is not None, "photo kinds are only drawn when there are photographs"
    image = canvas.photos.crops(canvas.count, canvas.size, canvas.generator, groups, widest=widest)
    grey = image.mean(dim=1, keepdim=True)
    image = mix(image, grey.expand_as(image), canvas.chance(0.25))
    gain = 1 + canvas.uniform(-0.25, 0.25, 3, 1, 1) * canvas.chance(0.4)
    contrast = canvas.uniform(0.5, 1.2)
    level = image.mean(dim=(2, 3), keepdim=True)
    image = (level + (image - level) * contrast) * gain
    softened = blurred(image, 1)
    return mix(image, softened, canvas.chance(0.2)).clamp(0, 1)
