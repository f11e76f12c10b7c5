"""Scenes with things: single bodies, parts in rows, boards.

Each function draws the N pictures of a canvas. Shapes: N pictures, S side.
"""

import torch

from faprompt.pretrain import textures
from faprompt.pretrain.canvas import Canvas, Scene, mix, relief, superellipse
from faprompt.pretrain.composing import (
    backdrop,
    compose,
    marks,
    one_of,
    opened,
    placed,
    skin_of,
)


def solid(canvas: Canvas) -> Scene:
    """Bodies between box, ellipse and polygon, some with a label or a hole."""
    u, v = placed(canvas, 0.45, 0.85)
    v = v * canvas.uniform(1.0, 2.5)
    power = canvas.log_uniform(1.6, 8)
    radius = superellipse(u, v, power, 1e-9)
    inside = (1 - radius) * 0.5
    body = skin_of(canvas)
    label = torch.minimum(0.5 - u.abs(), canvas.uniform(0.15, 0.5) - v.abs())
    label = canvas.soft(label) * canvas.chance(0.4)
    print_on = marks(canvas, u * 2, v * 2)
    body = mix(body, canvas.colour(0.9) * (1 - print_on * canvas.uniform(0.2, 0.9)), label)
    hole = canvas.soft(canvas.uniform(0.1, 0.3) - (u.square() + v.square()).sqrt())
    scene = compose(canvas, body, inside)
    return opened(scene, hole * canvas.chance(0.2) * (1 - label))


def nut(canvas: Canvas) -> Scene:
    """Grown things: lumpy outline, one end of another colour, streaks to a pole."""
    u, v = placed(canvas, 0.5, 0.8)
    v = v * canvas.uniform(0.85, 1.4)
    lumps = canvas.fractal(2.0, 2.5, coarsest=2.0) * canvas.uniform(0.0, 0.08)
    radius = (u.square() + v.square() + 1e-9).sqrt() + lumps
    turn = torch.atan2(v, u + canvas.uniform(0.2, 0.8))
    streaks = (turn * canvas.uniform(15, 60)).sin() * canvas.fractal(1.0, 1.5)
    grain = canvas.fractal(0.6, 1.5)
    field = streaks * canvas.uniform(0, 0.8) + grain * canvas.uniform(0.1, 0.6)
    body = textures.ramp(canvas, field, 0.2)
    tip = ((u - canvas.uniform(0.3, 0.7) + 0.06 * grain) * 12).sigmoid() * canvas.chance(0.5)
    body = mix(body, canvas.colour(0.5), tip * canvas.uniform(0.3, 0.9))
    return compose(canvas, body, (1 - radius) * 0.6, depth=0.5)


def ring(canvas: Canvas) -> Scene:
    """Rings, washers and gears."""
    u, v = placed(canvas, 0.6, 0.9)
    radius = (u.square() + v.square() + 1e-9).sqrt()
    turn = torch.atan2(v, u)
    teeth = torch.tanh((turn * canvas.uniform(5, 24).round()).sin() * 4)
    radius = radius + teeth * canvas.uniform(0.02, 0.06) * canvas.chance(0.4)
    inside = torch.minimum(1 - radius, radius - canvas.uniform(0.3, 0.75)) * 0.7
    turned = 1 + (radius * canvas.uniform(60, 150)).sin() * canvas.uniform(0, 0.06)
    return compose(canvas, skin_of(canvas) * turned, inside, depth=0.12)


def shaft(canvas: Canvas) -> Scene:
    """Cylinders from the side: threads, bottles, grooves, highlights along the axis."""
    u, v = canvas.rotated(canvas.angle(), canvas.x, canvas.y - canvas.uniform(-0.3, 0.3))
    half = canvas.uniform(0.25, 0.7)
    across = v / half
    depth = (1 - across.square()).clamp(0, 1).sqrt()
    lead = canvas.uniform(-0.4, 0.4)
    thread = ((u + lead * across * half) * canvas.uniform(12, 50)).sin()
    grooves = canvas.chance(0.6) * canvas.uniform(0.05, 0.35)
    bands = torch.tanh((u * canvas.uniform(2, 6) + canvas.angle()).sin() * 6)
    body = skin_of(canvas) * (1 + grooves * thread) * (1 + canvas.uniform(-0.15, 0.15) * bands)
    at = canvas.uniform(-0.6, 0.6)
    shine = (-((across - at) / canvas.uniform(0.05, 0.3)).square()).exp()
    body = body * (0.35 + 0.75 * depth) + shine * canvas.uniform(0, 0.5)
    length = canvas.uniform(0.5, 1.8) - u.abs()
    inside = torch.minimum((1 - across.abs()) * half, length)
    ground = backdrop(canvas)
    mask = canvas.soft(inside)
    return Scene(mix(ground, body.clamp(0, 1), mask), mask, ground)


def row(canvas: Canvas) -> Scene:
    """Equal parts in rows and columns on a backdrop."""
    u, v = canvas.rotated(canvas.chance(0.5) * 1.5708 + canvas.uniform(-0.15, 0.15))
    columns, lines = canvas.uniform(2, 6).round(), canvas.uniform(1, 5).round()
    fu, fv = (u + 1) / 2 * columns, (v + 1) / 2 * lines
    pu, pv = fu - fu.floor() - 0.5, fv - fv.floor() - 0.5
    ratio = (lines / columns).clamp(0.4, 2.5)
    power = canvas.log_uniform(1.8, 8)
    radius = superellipse(pu, pv, power, 1e-9)
    inside = (canvas.uniform(0.25, 0.42) - radius) * 2 / torch.maximum(columns, lines)
    body = canvas.colour(0.9) * (1 + canvas.fractal(0.5, 1.5) * canvas.uniform(0.01, 0.08))
    strip = canvas.soft(canvas.uniform(0.02, 0.1) - (pu * ratio).abs()) * canvas.chance(0.4)
    body = mix(body, canvas.colour(0.9), strip)
    scene = compose(canvas, body, inside, depth=0.08)
    chosen = one_of(canvas, columns, fu) * one_of(canvas, lines, fv)
    scene.part = chosen * (scene.foreground > 0.02).float()
    return scene


def circuit(canvas: Canvas) -> Scene:
    """A board with traces, pads and components; one component can be missing."""
    field = canvas.fractal(0.3, 0.6, coarsest=3.0)
    fine = canvas.uniform(3, 7).round()
    steps = ((canvas.x * fine + 0.6 * field.sign()).floor() + (canvas.y * fine).floor()) % 3
    board = canvas.colour(0.9, 0.1, 0.6)
    image = mix(board, board * canvas.uniform(1.1, 1.6), (steps < 1).float())
    rate = canvas.uniform(4, 9)
    pu, pv = canvas.x * rate, canvas.y * rate
    pad = canvas.soft(0.22 - ((pu - pu.round()).square() + (pv - pv.round()).square()).sqrt())
    cell = ((pu.round() * 12.9898 + pv.round() * 78.233).sin() * 43758.5).frac().abs()
    image = mix(image, canvas.colour(0.3, 0.6, 1.0), pad * (cell < 0.5).float())
    part = torch.zeros_like(field)
    bare = image
    for _ in range(5):
        box = torch.minimum(
            canvas.uniform(0.08, 0.3) - (canvas.x - canvas.uniform(-0.8, 0.8)).abs(),
            canvas.uniform(0.08, 0.3) - (canvas.y - canvas.uniform(-0.8, 0.8)).abs(),
        )
        mask = canvas.soft(box)
        chip = canvas.colour(0.3, 0.02, 0.9) * (1 - 0.4 * canvas.soft(0.03 - box))
        text = marks(canvas, canvas.x * 3, canvas.y * 3) * canvas.soft(box - 0.05)
        image = mix(image, mix(chip, canvas.colour(0.1, 0.6, 1.0), text * 0.7), mask)
        part = torch.where(part > 0, part * (mask < 0.02), mask)
        part = mask  # the last one lies on top
    ones = torch.ones_like(part)
    return Scene(image.clamp(0, 1), ones, bare, (part > 0.02).float())


def photo_object(canvas: Canvas) -> Scene:
    """A body cut out of photographs, on another photograph or a calm backdrop."""
    assert canvas.photos is not None, "photo kinds are only drawn when there are photographs"
    u, v = placed(canvas, 0.5, 0.85)
    lumps = canvas.fractal(2.0, 2.5, coarsest=2.0) * canvas.uniform(0.0, 0.15)
    power = canvas.log_uniform(1.6, 6)
    v = v * canvas.uniform(1, 2)
    radius = superellipse(u, v, power, 1e-9) + lumps
    scene = compose(canvas, textures.photo_scene(canvas).image, (1 - radius) * 0.5, depth=0.15)
    ground = textures.photo_surface(canvas).image
    busy = canvas.chance(0.5)
    image = mix(ground, scene.image, scene.foreground)
    return Scene(
        mix(scene.image, image, busy), scene.foreground, mix(scene.background, ground, busy)
    )


def capsule(canvas: Canvas) -> Scene:
    """A pill of two colours with a print."""
    u, v = placed(canvas, 0.6, 0.85)
    half = canvas.uniform(0.25, 0.4)
    along = (u.abs() - (1 - half)).clamp(min=0)
    inside = half - (along.square() + v.square() + 1e-9).sqrt()
    body = torch.where(u > canvas.uniform(-0.2, 0.2), canvas.colour(0.9), canvas.colour(0.9))
    text = marks(canvas, u * 2.5, v * 2.5) * canvas.soft(0.3 - (u - 0.4).abs())
    body = body * (1 - text * canvas.soft(0.12 - v.abs()) * canvas.uniform(0.3, 0.8))
    return compose(canvas, body, inside * 0.7, depth=0.25)


def plate(canvas: Canvas) -> Scene:
    """A plate with a grid of drilled holes; one can be closed."""
    u, v = canvas.rotated(canvas.uniform(-0.2, 0.2))
    body = textures.brushed(canvas).image
    count = canvas.uniform(2, 4).round()
    fu, fv = (u / 0.8 + 1) / 2 * count, (v / 0.8 + 1) / 2 * count
    distance = ((fu - fu.floor() - 0.5).square() + (fv - fv.floor() - 0.5).square()).sqrt()
    inside = torch.minimum(0.8 - u.abs(), 0.8 - v.abs())
    drilled = (canvas.uniform(0.18, 0.3) - distance) / count * 1.6
    closed = compose(canvas, body, inside, depth=0.05)
    hole = canvas.soft(torch.minimum(drilled, inside))
    scene = opened(closed, hole)
    chosen = one_of(canvas, count, fu) * one_of(canvas, count, fv)
    scene.part = chosen * (hole > 0.02).float()
    scene.background = mix(scene.background, closed.image, (hole > 0.02).float())
    return scene


def biscuit(canvas: Canvas) -> Scene:
    """A baked round with a scalloped edge and pricked holes."""
    u, v = placed(canvas, 0.68, 0.78)
    radius, turn = (u.square() + v.square() + 1e-9).sqrt(), torch.atan2(v, u)
    radius = radius - 0.025 * (turn * canvas.uniform(20, 30).round()).sin()
    crumb = canvas.fractal(0.7, 1.1, coarsest=6.0)
    brown = torch.tensor([0.80, 0.58, 0.33], device=canvas.device).view(1, 3, 1, 1)
    toast = torch.tensor([0.55, 0.33, 0.15], device=canvas.device).view(1, 3, 1, 1)
    body = mix(brown, toast, ((radius - 0.95) * 10 + 0.5 * crumb).sigmoid() * 0.8)
    body = body * (1 + 0.05 * crumb + relief(0.006 * crumb, canvas.angle()) * 0.5)
    fu, fv = u * 4, v * 4
    pricked = ((fu - fu.round()).square() + (fv - fv.round()).square()).sqrt()
    hole = ((0.14 - pricked) * 25).sigmoid() * (radius < 0.72)
    return compose(canvas, body * (1 - 0.55 * hole), (1 - radius) * 0.7, depth=0.2)


def dial(canvas: Canvas) -> Scene:
    """A gauge: white face, ticks, coloured arc, a hand."""
    u, v = placed(canvas, 0.72, 0.8)
    radius, turn = (u.square() + v.square() + 1e-9).sqrt(), torch.atan2(v, u)
    tick = (turn * 40 / (2 * torch.pi) - (turn * 40 / (2 * torch.pi)).round()).abs()
    long = (turn * 8 / (2 * torch.pi) - (turn * 8 / (2 * torch.pi)).round()).abs()
    ticks = ((tick < 0.08) & (radius > 0.72) & (radius < 0.8)) | (
        (long < 0.03) & (radius > 0.64) & (radius < 0.8)
    )
    face = torch.full_like(radius, 0.93).expand(-1, 3, -1, -1) * (1 + 0.01 * canvas.fractal(1, 2))
    arc = ((radius > 0.82) & (radius < 0.86) & (turn > 0.2) & (turn < 2.0)).float()
    face = mix(face, canvas.colour(0.9, 0.3, 0.7), arc)
    face = face * (1 - 0.85 * ticks.float())
    hand_u, hand_v = canvas.rotated(canvas.angle(), u, v)
    hand = (hand_v.abs() < 0.03 * (1 - hand_u)) & (hand_u > -0.15) & (hand_u < 0.7)
    knob = radius < 0.09
    face = face * (1 - 0.9 * (hand | knob).float())
    face = face * (
        1 - 0.7 * marks(canvas, u * 2, v * 2) * (v.abs() < 0.12) * (u.abs() < 0.3) * (radius > 0.2)
    )
    rim = canvas.soft(radius - 0.9)
    metal = canvas.colour(0.1, 0.3, 0.7) * (1 + 0.3 * (2 * turn).sin())
    return compose(canvas, mix(face, metal, rim), (1 - radius) * 0.75, depth=0.06)
