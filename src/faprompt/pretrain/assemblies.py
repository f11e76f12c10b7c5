"""Round assemblies of shining metal: rings of balls, rollers, blades, teeth or bores about a hub.

What comes again around the ring is no defect, nor are its highlights. Shapes: N pictures, S side.
"""

import math

import torch

from faprompt.pretrain.canvas import Canvas, Scene, mix, superellipse
from faprompt.pretrain.gloss import metal_lit


def rotor(canvas: Canvas) -> Scene:
    """Rotors, chucks, sprockets, cages: equal parts in a ring between rims, hub in the middle."""
    zoom = canvas.log_uniform(0.55, 2.2)  # from the whole wheel to a part of its ring
    reach = (zoom - 0.6).clamp(min=0.1)
    aim = canvas.angle()
    x, y = canvas.x / zoom + reach * aim.cos() * 0.5, canvas.y / zoom + reach * aim.sin() * 0.5
    y = y * canvas.uniform(1.0, 1.35)
    radius = (x.square() + y.square() + 1e-6).sqrt()
    turn = torch.atan2(y, x)
    count = canvas.log_uniform(5, 26).round()
    lap = (turn + canvas.angle()) * count / (2 * math.pi) + canvas.uniform(-1, 1) * radius
    saw = lap - lap.floor() - 0.5
    ring, half = canvas.uniform(0.5, 0.75), canvas.uniform(0.1, 0.24)
    broad = 2 * math.pi * radius / count  # length of one part's share of the ring
    away = (radius - ring) / half
    beside = saw * broad / torch.minimum(half, broad * canvas.uniform(0.32, 0.48))
    power = mix(torch.full_like(half, 2.0), canvas.uniform(2, 8), canvas.chance(0.5))
    far = superellipse(away, beside, power)
    part = ((1 - far) * half * zoom / canvas.pixel / 1.5 + 0.5).clamp(0, 1)
    dome = (1 - far.clamp(0, 1).square()).clamp(min=1e-3).sqrt() * half * canvas.uniform(0.2, 1)
    sunk = canvas.chance(0.3)  # bores in place of bodies
    rims = canvas.profile((radius * 0.9 - 0.5).clamp(-1, 1), 1.6) * canvas.uniform(0.02, 0.12)
    step = ((radius - ring).abs() - half * canvas.uniform(1.0, 1.2)) * canvas.uniform(30, 90)
    rims = rims + step.sigmoid() * canvas.uniform(0, 0.06)
    finish = turn + torch.pi / 2
    body = metal_lit(canvas, dome * zoom, canvas.angle())
    rail = metal_lit(canvas, rims * zoom, finish)
    floor = rail * canvas.uniform(0.03, 0.4)
    channel = (1 - step.sigmoid()) * canvas.chance(0.7)
    image = mix(rail, rail * mix(torch.ones_like(half), canvas.uniform(0.1, 0.7), channel), channel)
    image = mix(image, mix(body, floor, sunk), part)
    bore = canvas.uniform(0.1, 0.3) - radius
    outside = radius - canvas.uniform(0.85, 1.0)
    gone = canvas.soft(torch.maximum(bore * canvas.chance(0.6), outside) * zoom, 1.5)
    gone = torch.where(outside.maximum(bore) < 0, torch.zeros_like(gone), gone)
    ground = (canvas.colour(0.2, 0.0, 0.6) * (1 + 0.1 * canvas.clouds(1.5, 2.2))).clamp(0, 1)
    image = mix(image, ground, gone).clamp(0, 1)
    return Scene(image, 1 - gone, ground.expand_as(image))
