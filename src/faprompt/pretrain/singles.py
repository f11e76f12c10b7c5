"""Scenes of small single things on plain ground, as they grow: nuts, seeds, fruits, pebbles.

Each function draws the N pictures of a canvas: one thing, some alike or a heap, all flawless.
What varies between them (mottling, ribs, caps, stalks, creases) is no defect.
Shapes: N pictures, S side.
"""

import torch
from torch import Tensor

from faprompt.pretrain import metals, textures
from faprompt.pretrain.canvas import Canvas, Scene, mix, superellipse
from faprompt.pretrain.laying import Lay, laid, laid_out

_GROWN = (
    (0.45, 0.27, 0.14),
    (0.62, 0.42, 0.24),
    (0.80, 0.64, 0.42),
    (0.90, 0.83, 0.66),
    (0.30, 0.18, 0.10),
    (0.55, 0.20, 0.12),
    (0.75, 0.15, 0.12),
    (0.90, 0.50, 0.12),
    (0.93, 0.80, 0.25),
    (0.45, 0.58, 0.20),
    (0.25, 0.35, 0.14),
    (0.35, 0.15, 0.30),
    (0.16, 0.13, 0.14),
)
"""Colours of skins, shells, seeds."""


def grown(canvas: Canvas, first: int = 0, last: int = len(_GROWN)) -> Tensor:
    """A colour that grows, (N, 3, 1, 1), from a part of the table; rarely any other."""
    table = torch.tensor(_GROWN[first:last], device=canvas.device)
    row = (canvas.uniform(0, len(table), 2) * 0.9999).long()
    colour = mix(table[row[:, 0]], table[row[:, 1]], canvas.uniform(0, 0.5, 1))
    colour = colour[..., None, None] * canvas.uniform(0.75, 1.2)
    return mix(colour, canvas.colour(0.8), canvas.chance(0.12)).clamp(0.02, 1)


def beside(canvas: Canvas, colour: Tensor, amount: float) -> Tensor:
    """A colour a little beside another, (N, 3, 1, 1)."""
    change = canvas.uniform(-1, 1) + 0.4 * canvas.uniform(-1, 1, 3, 1, 1)
    return (colour * (1 + amount * change)).clamp(0.01, 1)


def dome(radius: Tensor, *, flat: Tensor | float = 2.0) -> Tensor:
    """Height of a body over its radius (1 at the outline): ``flat`` 2 is a ball, more a disc."""
    return (1 - radius.clamp(0, 1).pow(flat)).clamp(min=1e-4).sqrt()


def apart(lay: Lay, field: Tensor, amount: Tensor | float) -> Tensor:
    """Shift a field by a number of each thing, so that no two of some alike are the same."""
    return field + (lay.number - 0.5) * amount


def kernel(canvas: Canvas) -> Scene:
    """Nuts, kernels, seeds, beans: egg to spindle, ribs or grain from end to end, some capped."""
    slim = canvas.uniform(1.0, 2.1)
    lay = laid_out(canvas, slim)
    u, v = lay.u, lay.v * slim
    v = v + canvas.uniform(-0.5, 0.5) * canvas.chance(0.35) * (u.square() - 0.3)
    taper = canvas.uniform(0, 0.45)
    v = v * (1 + taper * u)
    lumps = canvas.clouds(2.0, 2.6, coarsest=3.0) * canvas.uniform(0, 0.05)
    radius = (u.square() + v.abs().pow(canvas.uniform(1.5, 2.2)) + 1e-6).sqrt() + lumps
    belt = (1 - u.square()).clamp(min=0.02).sqrt()
    around = (v / belt).clamp(-1, 1).asin()  # angle about the long axis
    turned = apart(lay, around + canvas.angle(), 3.0)
    ribs = (turned * canvas.uniform(4, 22)).cos() * canvas.chance(0.45)
    streaks = canvas.profile(around / 1.6, 0.7) * canvas.chance(0.6)
    grain = canvas.fractal(0.5, 1.6, coarsest=canvas.uniform(2, 20))
    base = grown(canvas)
    field = 0.8 * streaks + ribs * canvas.uniform(0, 1) + grain * canvas.uniform(0.2, 1.5)
    field = apart(lay, field, 2.0)
    body = mix(base, beside(canvas, base, 0.5), (field * canvas.uniform(0.4, 1.2)).sigmoid())
    body = body * (1 + grain * canvas.uniform(0, 0.06))
    height = dome(radius) / slim + ribs * 0.02 * belt * canvas.uniform(0.2, 1)
    height = height + grain * canvas.log_uniform(0.001, 0.012)
    seam = (-((around - canvas.uniform(-0.9, 0.9)) / canvas.uniform(0.04, 0.12)).square()).exp()
    seam = seam * canvas.chance(0.25)
    height, body = height - 0.05 * seam, body * (1 - canvas.uniform(0.1, 0.5) * seam)
    return _capped(canvas, lay, u=u, radius=radius, body=body, height=height)


def _capped(
    canvas: Canvas, lay: Lay, *, u: Tensor, radius: Tensor, body: Tensor, height: Tensor
) -> Scene:
    """Give some kernels a rough cap or a pale base at one end, some a tip, and lay them down."""
    edge = canvas.clouds(1.4, 2.2, coarsest=3.0) * canvas.uniform(0.0, 0.05)
    bow = canvas.uniform(0, 0.35) * (radius.square() - u.square()).clamp(0, 1)
    beyond = u - canvas.uniform(0.1, 0.75) + bow + edge
    cap = (beyond * canvas.uniform(15, 60)).sigmoid() * canvas.chance(0.5)
    rate = canvas.uniform(10, 24)
    scales = ((u + lay.v) * rate).sin().abs() * ((u - lay.v) * rate).sin().abs()
    rough = canvas.fractal(0.3, 1.0) * 0.5
    coat = mix(rough, scales, canvas.chance(0.4))
    skin = grown(canvas, 0, 6)
    body = mix(body, skin * (0.8 + 0.4 * coat), cap)
    step = canvas.uniform(0, 0.06)
    height = height + cap * (step + coat * canvas.uniform(0.0, 0.03))
    inside = (1 + 0.6 * step * cap - radius) * lay.size * 0.7
    shine = canvas.chance(0.5) * canvas.uniform(0.1, 0.8) * (1 - 0.8 * cap)
    return laid(canvas, lay, body=body, inside=inside, height=height, shine=shine)


def fruit(canvas: Canvas) -> Scene:
    """Fruits and berries: round, two colours that run into each other, dots, dimple and stalk."""
    slim = canvas.uniform(1.0, 1.35)
    lay = laid_out(canvas, slim)
    u, v = lay.u, lay.v * slim
    lobes = (torch.atan2(v, u) * canvas.uniform(2, 7).round() + canvas.angle()).cos()
    lumps = lobes * canvas.uniform(0, 0.03) + canvas.clouds(2.2, 2.8) * canvas.uniform(0, 0.03)
    radius = (u.square() + v.square() + 1e-6).sqrt() + lumps
    base = grown(canvas, 5)
    blush = apart(lay, u * canvas.uniform(0, 2) + canvas.clouds(1.4, 2.2), 2.0)
    body = mix(base, grown(canvas, 5), (blush * canvas.uniform(0.5, 2)).sigmoid())
    body = mix(base * torch.ones_like(body), body, canvas.chance(0.6))
    near, own = canvas.dots(canvas.uniform(14, 31), canvas.x, canvas.y)
    dots = ((0.06 + 0.14 * own - near) * 18).sigmoid() * canvas.chance(0.5) * canvas.uniform(0, 1)
    body = mix(body, beside(canvas, body, 0.6), dots)
    peel = canvas.fractal(0.2, 1.2, coarsest=canvas.uniform(4, 24))
    body = body * (1 + peel * canvas.uniform(0, 0.05))
    height = dome(radius) * 0.9 + peel * canvas.log_uniform(0.0005, 0.012)
    at_u, at_v = canvas.uniform(-0.75, 0.75), canvas.uniform(-0.4, 0.4)
    du, dv = u - at_u, v - at_v
    pit = (-(du.square() + dv.square()) / canvas.uniform(0.01, 0.06)).exp() * canvas.chance(0.6)
    height = height - pit * canvas.uniform(0.1, 0.4)
    body = mix(body, beside(canvas, base, 0.7), pit * canvas.uniform(0, 0.7))
    along, across = canvas.rotated(canvas.angle(), du, dv)
    thin = canvas.uniform(0.03, 0.08)
    stalk = torch.minimum(
        thin * (1 + 0.6 * along) - (across - 0.3 * along.square()).abs(),
        torch.minimum(along + thin, canvas.uniform(0.15, 0.8) - along),
    )
    stalk = mix(torch.full_like(stalk, -1), stalk, canvas.chance(0.4))
    wood = canvas.soft(stalk * lay.size)
    body = mix(body, grown(canvas, 0, 5), wood)
    height = torch.maximum(height, wood * (height.clamp(min=0.2) + 3 * stalk.clamp(min=0)))
    inside = torch.maximum((1 - radius) * 0.8, stalk) * lay.size
    shine = canvas.chance(0.75) * canvas.uniform(0.15, 1)
    return laid(canvas, lay, body=body, inside=inside, height=height, shine=shine)


def pebble(canvas: Canvas) -> Scene:
    """Pebbles, lumps of ore, gems in the rough: any outline, veins, grains or bands."""
    slim = canvas.uniform(1.0, 1.7)
    lay = laid_out(canvas, slim)
    u, v = lay.u, lay.v * slim
    lumps = canvas.clouds(2.0, 3.0, coarsest=2.0) * canvas.uniform(0.02, 0.1)
    power = canvas.log_uniform(1.4, 3.5)
    radius = superellipse(u, v, power) + lumps
    kinds = [textures.stone, textures.granite, metals.cast]
    if canvas.photos is not None:
        kinds += [textures.photo_surface] * 2
    body = kinds[int(canvas.uniform(0, len(kinds)).flatten()[0])](canvas).image
    cloud = canvas.clouds(1.2, 2.0)
    bands = canvas.profile((0.6 * u + 0.3 * v + 0.1 * cloud).clamp(-1, 1), 1.0)
    body = body * (1 + bands * canvas.uniform(0, 0.2) * canvas.chance(0.5))
    body = body * (1 + (lay.number - 0.5) * canvas.uniform(0, 0.5))
    facets = canvas.fractal(1.2, 2.0, coarsest=4.0)
    facets = mix(facets, facets.abs(), canvas.chance(0.4))
    height = dome(radius, flat=canvas.uniform(2, 4)) * canvas.uniform(0.3, 0.8)
    height = height + facets * canvas.log_uniform(0.003, 0.05)
    inside = (1 - radius) * lay.size * 0.7
    shine = canvas.chance(0.35) * canvas.uniform(0.1, 0.6)
    return laid(canvas, lay, body=body.clamp(0, 1), inside=inside, height=height, shine=shine)
