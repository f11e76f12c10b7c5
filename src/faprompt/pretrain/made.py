"""Scenes of small single things on plain ground, as they are made: tablets, bakes, mouldings.

Each function draws the N pictures of a canvas: one thing, some alike or a heap, all flawless.
What varies between them (score lines, print, toasting, steps, holes) is no defect.
Shapes: N pictures, S side.
"""

import math

import torch

from faprompt.pretrain import textures
from faprompt.pretrain.canvas import Canvas, Scene, blurred, mix, superellipse
from faprompt.pretrain.composing import marks
from faprompt.pretrain.laying import laid, laid_out
from faprompt.pretrain.singles import apart, beside, dome, grown


def tablet(canvas: Canvas) -> Scene:
    """Tablets, sweets, buttons without holes: flat or domed, bevelled, scored or embossed."""
    slim = 1 + canvas.uniform(0, 1.4) * canvas.chance(0.5)
    lay = laid_out(canvas, slim)
    u, v = lay.u * slim, lay.v * slim  # half the width is 1
    along = (u.abs() - (slim - 1)).clamp(min=0)
    power = mix(torch.full_like(slim, 2.0), canvas.uniform(2, 6), canvas.chance(0.4))
    radius = superellipse(along, v, power)
    bevel = canvas.uniform(0.05, 0.45)
    height = ((1 - radius) / bevel).clamp(0, 1)
    height = mix(height, (height * (2 - height)).clamp(min=1e-4).sqrt(), canvas.chance(0.6))
    height = height * canvas.uniform(0.1, 0.3) + dome(radius) * canvas.uniform(0, 0.35)
    score = (-(u.abs() / canvas.uniform(0.03, 0.1)).square()).exp() * canvas.chance(0.35)
    text = marks(canvas, u * 0.9, v * 0.9) * ((u.abs() < 0.6 * slim) & (v.abs() < 0.3))
    text = blurred(text.float(), 1) * canvas.chance(0.35) * (1 - score)
    chalk = canvas.fractal(0.0, 1.0)
    speck = ((canvas.fractal(0.2, 0.8) - canvas.uniform(1.2, 3)) * 6).sigmoid()
    height = height - 0.1 * score - 0.04 * text + chalk * canvas.log_uniform(0.0005, 0.006)
    pale = 1 - (1 - canvas.colour(0.9, 0.4, 1.0)) * canvas.uniform(0.1, 1)
    body = mix(pale, beside(canvas, pale, 0.5), speck * canvas.chance(0.35))
    body = body * (1 + chalk * canvas.uniform(0, 0.03)) * (1 + (lay.number - 0.5) * 0.04)
    body = mix(body, canvas.colour(0.5, 0.0, 0.6), text * canvas.chance(0.4) * 0.8)
    inside = (1 - radius) * lay.size / slim
    shine = canvas.chance(0.5) * canvas.uniform(0.1, 0.9)
    return laid(canvas, lay, body=body, inside=inside, height=height / slim, shine=shine)


def bake(canvas: Canvas) -> Scene:
    """Rolls, crackers, cakes: crumb, a browned rim, blisters, pieces baked into it."""
    slim = canvas.uniform(1.0, 1.7)
    lay = laid_out(canvas, slim)
    u, v = lay.u, lay.v * slim
    power = canvas.log_uniform(1.9, 6)
    lumps = canvas.clouds(1.4, 2.2, coarsest=4.0) * canvas.uniform(0.005, 0.05)
    radius = superellipse(u, v, power) + lumps
    crumb = canvas.fractal(0.5, 1.2, coarsest=canvas.uniform(4, 24))
    broad = canvas.clouds(1.2, 2.0, coarsest=2.0)
    dough = grown(canvas, 1, 4)
    toast = dough * canvas.uniform(0.35, 0.85) * dough.new_tensor([1.1, 0.9, 0.7]).view(1, 3, 1, 1)
    brown = apart(lay, (radius - canvas.uniform(0.5, 1.1)) * 5 + broad + 0.4 * crumb, 1.5)
    body = mix(dough, toast, brown.sigmoid()) * (1 + crumb * canvas.uniform(0.01, 0.08))
    near, own = canvas.dots(canvas.uniform(7, 18), canvas.x, canvas.y)
    kept = (own > canvas.uniform(0.3, 0.9)) * (radius < 0.9) * canvas.chance(0.45)
    bits = ((0.1 + 0.18 * own - near) * 20).sigmoid() * kept
    body = mix(body, grown(canvas) * (1 + 0.1 * crumb), bits)
    height = dome(radius, flat=canvas.uniform(2, 7)) * canvas.uniform(0.15, 0.5)
    height = height + crumb * canvas.log_uniform(0.002, 0.015) + 0.04 * bits
    slash = (-((u * 0.3 + v) / canvas.uniform(0.06, 0.15)).square()).exp() * canvas.chance(0.2)
    height, body = height - 0.08 * slash, mix(body, dough * 1.1, slash * (u.abs() < 0.75))
    inside = (1 - radius) * lay.size * 0.8
    shine = canvas.chance(0.3) * 0.4
    return laid(canvas, lay, body=body.clamp(0, 1), inside=inside, height=height, shine=shine)


def moulding(canvas: Canvas) -> Scene:
    """Small castings and mouldings: lobed or square plates with steps, bosses, ribs and holes."""
    slim = canvas.uniform(1.0, 1.8)
    lay = laid_out(canvas, slim)
    u, v = lay.u, lay.v * slim
    lobes = canvas.uniform(2, 7).round()
    turn = torch.atan2(v, u)
    star = canvas.uniform(0, 0.3) * canvas.chance(0.6)
    wave = (turn * lobes).cos()
    power = mix(torch.full_like(slim, 2.0), canvas.log_uniform(2, 9), canvas.chance(0.5))
    round_ = superellipse(u, v, power)
    radius = round_ / (1 - star + star * wave).clamp(min=0.3)
    hub = (u.square() + v.square()).sqrt()
    edge = canvas.log_uniform(0.03, 0.2)
    height = ((1 - radius) / edge).clamp(0, 1) * canvas.uniform(0.05, 0.25)
    for _ in range(2):
        at, width = canvas.uniform(0.2, 0.85), canvas.log_uniform(0.02, 0.15)
        step = ((mix(hub, radius, canvas.chance(0.5)) - at) / width).sigmoid()
        height = height + step * canvas.uniform(-0.15, 0.12) * canvas.chance(0.7)
    fins = (wave.abs() - canvas.uniform(0.8, 0.95)) * 20
    fins = fins.sigmoid() * (hub > 0.25) * (radius < 0.85) * canvas.chance(0.3)
    height = height + fins * canvas.uniform(0.03, 0.1)
    bore = (canvas.uniform(0.08, 0.35) - hub) * canvas.chance(0.5)
    ring = canvas.uniform(0.5, 0.72) * (1 - 0.6 * star)
    spoke = (turn * lobes / (2 * math.pi) + 0.5).floor() * 2 * math.pi / lobes
    du, dv = u - ring * spoke.cos(), v - ring * spoke.sin()
    bolt = (canvas.uniform(0.06, 0.14) - (du.square() + dv.square()).sqrt()) * canvas.chance(0.35)
    open_ = torch.maximum(bore, bolt)
    open_ = torch.where(open_ == 0, -1.0, open_)  # without holes the distance is 0 all over
    grain = canvas.fractal(0.0, 1.0)
    bowed = dome(radius, flat=3.0) * canvas.uniform(0, 0.25) + canvas.clouds(2.0, 2.8) * 0.01
    height = blurred(height, 1) + bowed + grain * canvas.log_uniform(0.001, 0.012)
    metal = canvas.chance(0.6)
    base = mix(canvas.colour(0.95, 0.05, 0.95), canvas.colour(0.15, 0.3, 0.8), metal)
    blotch = canvas.clouds(1.2, 2.0) * canvas.uniform(0, 0.08)
    body = base * (1 + grain * canvas.log_uniform(0.005, 0.08) * metal + blotch)
    inside = torch.minimum((1 - radius) * 0.8, -open_) * lay.size
    shine = canvas.uniform(0.1, 0.9) * canvas.chance(0.75)
    return laid(canvas, lay, body=body.clamp(0, 1), inside=inside, height=height, shine=shine)


def photo_thing(canvas: Canvas) -> Scene:
    """Small things of photographed stuff: any rounded outline, on plain ground."""
    assert canvas.photos is not None, "photo kinds are only drawn when there are photographs"
    slim = canvas.uniform(1.0, 2.2)
    lay = laid_out(canvas, slim)
    u, v = lay.u, lay.v * slim
    v = v + canvas.uniform(-0.5, 0.5) * canvas.chance(0.3) * (u.square() - 0.3)
    v = v * (1 + canvas.uniform(0, 0.4) * u)
    lumps = canvas.clouds(1.8, 2.6, coarsest=2.0) * canvas.uniform(0, 0.12)
    power = canvas.log_uniform(1.6, 6)
    radius = superellipse(u, v, power) + lumps
    material = float(canvas.uniform(0, 1).flatten()[0]) < 0.5
    body = (textures.photo_surface if material else textures.photo_scene)(canvas).image
    broad = blurred(body, max(2, canvas.size // 10))
    level = body.mean(dim=(2, 3), keepdim=True)
    # A thing is of one stuff: the broad colours of the photograph are drawn together.
    body = body - (broad - level) * canvas.uniform(0, 0.9)
    height = dome(radius, flat=canvas.uniform(2, 6)) * canvas.uniform(0.15, 0.8)
    bump = body.mean(dim=1, keepdim=True) - level.mean(dim=1, keepdim=True)
    height = height + bump * canvas.uniform(0, 0.06)
    inside = (1 - radius) * lay.size * 0.7
    shine = canvas.chance(0.4) * canvas.uniform(0.1, 0.7)
    return laid(canvas, lay, body=body.clamp(0, 1), inside=inside, height=height, shine=shine)
