"""Single things that are never trained on: shells and beads; choices are made on them.

Each function draws the N pictures of a canvas. Shapes: N pictures, S side.
"""

import torch

from faprompt.pretrain.canvas import Canvas, Scene, mix
from faprompt.pretrain.laying import laid, laid_out
from faprompt.pretrain.singles import dome


def shell(canvas: Canvas) -> Scene:
    """Sea shells: a fan of ribs from the hinge, bands of growth across them, pearly."""
    slim = canvas.uniform(1.0, 1.15)
    lay = laid_out(canvas, slim)
    u, v = lay.u + 0.92, lay.v * slim  # the hinge lies at 0
    far = (u.square() + v.square() + 1e-6).sqrt() / 1.85
    turn = torch.atan2(v, u)
    rate = canvas.uniform(14, 34)
    ribs = (turn * rate + 0.3 * canvas.clouds(2.0, 2.6)).cos()
    fan = canvas.uniform(0.75, 1.0)
    radius = far.pow(2) + (turn.abs() / fan).pow(canvas.uniform(3, 5)) * (0.2 + far)
    radius = radius.clamp(min=1e-4).sqrt() + 0.012 * ribs * canvas.uniform(0, 1)
    bands = canvas.profile((far * 2 - 1).clamp(-1, 1), 0.9)
    bands = bands + 0.3 * canvas.clouds(1.4, 2.0, coarsest=2.0)
    base, other = canvas.colour(0.35, 0.55, 1.0), canvas.colour(0.6, 0.25, 0.85)
    body = mix(base, other, (bands * canvas.uniform(0.4, 1.5) - 0.5).sigmoid())
    body = body * (1 - 0.12 * canvas.uniform(0, 1) * ribs)
    body = body * (1 + canvas.fractal(0.2, 1.0) * canvas.uniform(0, 0.04))
    height = dome(radius) * canvas.uniform(0.25, 0.5) + ribs * 0.016 * far.clamp(0, 1)
    height = height + bands * 0.004
    inside = (1 - radius) * lay.size * 0.8
    shine = canvas.chance(0.6) * canvas.uniform(0.1, 0.7)
    return laid(canvas, lay, body=body.clamp(0, 1), inside=inside, height=height, shine=shine)


def bead(canvas: Canvas) -> Scene:
    """Glass beads: a swirl within, light gathered on the side away from the lamp, a bore."""
    slim = canvas.uniform(1.0, 1.5)
    lay = laid_out(canvas, slim)
    u, v = lay.u, lay.v * slim
    radius = (u.square() + v.square() + 1e-6).sqrt()
    turn = torch.atan2(v, u) + canvas.uniform(-3, 3) * radius
    swirl = (turn * canvas.uniform(1, 4).round() + 0.7 * canvas.clouds(1.8, 2.4)).sin()
    base, other = canvas.colour(0.95, 0.2, 0.9), canvas.colour(0.95, 0.3, 1.0)
    body = mix(base, other, (swirl * canvas.uniform(1, 6) - canvas.uniform(0, 3)).sigmoid())
    toward = canvas.rotated(canvas.angle(), u, v)[0]
    gathered = (toward * 2.5 - 0.8).sigmoid() * (1 - radius.clamp(0, 1).pow(6))
    body = body * (0.55 + canvas.uniform(0.2, 0.8) * gathered)
    body = body * (1 - 0.45 * radius.clamp(0, 1).pow(5))  # glass is dark where it bends light away
    mouth = (canvas.uniform(0.12, 0.25) - (u.square() + (v * 1.3).square()).sqrt()) * 14
    mouth = mouth.sigmoid() * canvas.chance(0.5)
    body = body * (1 - 0.75 * mouth)
    height = dome(radius) * 0.8 - 0.1 * mouth
    inside = (1 - radius) * lay.size * 0.9
    shine = canvas.uniform(0.5, 1.2)
    return laid(canvas, lay, body=body.clamp(0, 1), inside=inside, height=height, shine=shine)
