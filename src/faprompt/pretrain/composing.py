"""How things are put together: backdrop, skin, light, place, print, holes, parts.

Shapes: N pictures, S side.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from faprompt.pretrain import metals, textures
from faprompt.pretrain.canvas import Canvas, Scene, blurred, mix, relief


def backdrop(canvas: Canvas) -> Tensor:
    """What things lie on: mostly calm, sometimes a surface or a photograph, (N, 3, S, S)."""
    cloud = canvas.fractal(1.2, 2.2) * canvas.uniform(0, 0.08)
    fine = canvas.fractal(0.0, 0.8) * canvas.uniform(0, 0.04)
    slope = (canvas.x * canvas.uniform(-1, 1) + canvas.y * canvas.uniform(-1, 1)) * 0.12
    image = canvas.colour(0.4, 0.0, 1.0) * (1 + cloud + fine + slope)
    return image.clamp(0, 1)


def skin_of(canvas: Canvas) -> Tensor:
    """What a body is made of, (N, 3, S, S): one surface kind for all N."""
    kinds: list[Callable[[Canvas], Scene]] = [
        textures.painted,
        metals.ground,
        metals.cast,
        textures.stone,
        textures.brushed,
        textures.wood,
        textures.granite,
    ]
    if canvas.photos is not None:
        kinds += [textures.photo_surface, textures.photo_surface]
    return kinds[int(canvas.uniform(0, len(kinds)).flatten()[0])](canvas).image


def compose(canvas: Canvas, body: Tensor, inside: Tensor, *, depth: float = 0.25) -> Scene:
    """Lay a body on a backdrop with round edges and a shadow.

    Args:
        canvas: Where to draw.
        body: Colours of the body, (N, 3, S, S).
        inside: Distance to the outline in coordinates, positive inside, (N, 1, S, S).
        depth: How far from the outline the edge is rounded, in coordinates.
    """
    light = canvas.angle()
    dome = (inside / depth).clamp(0, 1)
    dome = (dome * (2 - dome)).sqrt()
    shade = relief(dome * depth * canvas.uniform(0.2, 1.0), light) * canvas.uniform(0.3, 0.9)
    rim = 1 - canvas.uniform(0, 0.5) * (1 - dome)
    gloss = canvas.chance(0.4) * canvas.uniform(0.1, 0.6)
    spark = (shade - 0.25).clamp(min=0) * gloss
    body = (body * rim * (1 + shade) + spark).clamp(0, 1)
    mask = canvas.soft(inside)
    ground = backdrop(canvas)
    reach = max(1, canvas.size // 40)
    shadow = blurred(torch.roll(mask, (reach, reach), (2, 3)), reach)
    background = ground * (1 - shadow * (1 - mask) * canvas.uniform(0, 0.6))
    return Scene(mix(background, body, mask), mask, ground.expand_as(body))


def placed(canvas: Canvas, low: float, high: float) -> tuple[Tensor, Tensor]:
    """Coordinates of a thing that is turned, shifted and scaled: its size is 1."""
    size = canvas.uniform(low, high)
    x = (canvas.x - canvas.uniform(-0.15, 0.15)) / size
    y = (canvas.y - canvas.uniform(-0.15, 0.15)) / size
    return canvas.rotated(canvas.angle(), x, y)


def marks(canvas: Canvas, u: Tensor, v: Tensor) -> Tensor:
    """Print that belongs there: lines of letter-like strokes, (N, 1, S, S) in [0, 1]."""
    rate = canvas.uniform(3, 8)
    line, letter = v * rate, u * rate * 1.8
    inside = ((line - line.floor() - 0.5).abs() < 0.32) & ((letter - letter.floor()) > 0.2)
    dots_u, dots_v = (letter * 3).floor(), (line * 5).floor()
    code = ((dots_u * 12.9898 + dots_v * 78.233 + canvas.angle()).sin() * 43758.5).frac().abs()
    return (inside & (code > 0.45)).float()


def opened(scene: Scene, hole: Tensor) -> Scene:
    """Open a hole (N, 1, S, S) that shows the darkened background."""
    image = mix(scene.image, scene.background * 0.6, hole)
    return Scene(image, scene.foreground * (1 - hole), scene.background)


def one_of(canvas: Canvas, count: Tensor, position: Tensor) -> Tensor:
    """1 where the whole part of ``position`` is one chosen number below ``count``."""
    chosen = (canvas.uniform(0, 1) * count).floor()
    return (position.floor() == chosen).float()
