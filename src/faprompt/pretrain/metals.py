"""Surfaces of metal and ceramic as inspection cameras see them: low contrast, uneven light.

Grinding marks, bright bands, worn zones, rims of oil and dark borders are no defects.
Shapes: N pictures, S side.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from faprompt.pretrain.canvas import Canvas, Scene, Zones, mix, relief
from faprompt.pretrain.textures import surface


def ground(canvas: Canvas) -> Scene:
    """Ground, milled or rolled metal: marks in one direction or along arcs, some across."""
    angle = canvas.angle()
    lines = canvas.fractal(0.1, 0.9, stretch=canvas.log_uniform(4, 40), angle=angle)
    lines = mix(lines, _bowed(canvas, lines), canvas.chance(0.4))
    cross = canvas.fractal(0.1, 0.7, stretch=canvas.log_uniform(4, 20), angle=canvas.angle())
    lines = lines + cross * canvas.uniform(0, 0.7) * canvas.chance(0.5)
    zones = _zones(canvas, angle)
    depth = canvas.log_uniform(0.01, 0.15) * mix(torch.ones_like(zones), zones, canvas.chance(0.5))
    image = _grey(canvas) * (_uneven(canvas) + lines * depth + zones * canvas.uniform(0, 0.1))
    return surface(_lived_in(canvas, _photographed(canvas, image)))


def faced(canvas: Canvas) -> Scene:
    """Two finishes with a sharp border: a ground stripe, a turned rim, a plate half polished."""
    angle = canvas.angle()
    along, across = canvas.rotated(angle)
    bow = canvas.uniform(-0.4, 0.4) * canvas.chance(0.3)
    at = across - canvas.uniform(-0.5, 0.5) + bow * along.square()
    stripe = canvas.log_uniform(0.15, 0.7) - at.abs()
    beyond = torch.where(canvas.chance(0.45) > 0, stripe, at)
    tone, light = _grey(canvas), _uneven(canvas)
    near = _finish(canvas, tone, angle) * light
    other = (tone * canvas.uniform(0.55, 1.7)).clamp(0.05, 0.95)
    far = _finish(canvas, other, angle) * light
    width = canvas.log_uniform(1, 6)
    groove = (-(beyond / canvas.uniform(0.008, 0.03)).square()).exp() * canvas.chance(0.3)
    shade = 1 - groove * canvas.uniform(0.1, 0.5)
    near, far = ((_lived_in(canvas, side) * shade).clamp(0, 1) for side in (near, far))
    image = mix(near, far, canvas.soft(beyond, width))
    return replace(surface(image), zones=Zones(near, far, beyond, width))


def _finish(canvas: Canvas, tone: Tensor, angle: Tensor) -> Tensor:
    """One finish of a tone (N, 3, 1, 1): marks along ``angle``, across it or none, (N, 3, S, S)."""
    turn = angle + torch.pi / 2 * canvas.chance(0.5)
    marks = canvas.fractal(0.0, 0.9, stretch=canvas.log_uniform(1, 30), angle=turn)
    blotch = canvas.clouds(1.4, 2.2) * canvas.uniform(0, 0.05)
    return _photographed(canvas, tone * (1 + marks * canvas.log_uniform(0.008, 0.12) + blotch))


def honed(canvas: Canvas) -> Scene:
    """Honed or lapped faces: fine lines in two crossing directions. Held out from training."""
    angle, half = canvas.angle(), canvas.uniform(0.25, 0.75)
    image = _uneven(canvas)
    for turn in (angle - half, angle + half):
        image = image + canvas.log_uniform(0.01, 0.08) * canvas.fractal(
            0.0, 0.6, stretch=canvas.log_uniform(6, 40), angle=turn
        )
    return surface(_lived_in(canvas, _grey(canvas) * image))


def cylinder(canvas: Canvas) -> Scene:
    """A round bar that fills the picture: bright bands along it, grinding around it, wear."""
    angle = canvas.angle()
    along, across = canvas.rotated(angle)
    half = canvas.log_uniform(0.45, 2.5)
    at = (across - canvas.uniform(-0.4, 0.4)) / half
    round_ = (1 - at.square()).clamp(0, 1).sqrt()
    bands = canvas.profile(at.clamp(-1, 1) * 0.9, 1.8) * canvas.uniform(0.05, 0.45)
    for _ in range(2):
        shine = (-((at - canvas.uniform(-0.7, 0.7)) / canvas.log_uniform(0.04, 0.4)).square()).exp()
        bands = bands + shine * canvas.uniform(0, 0.9)
    marks = canvas.fractal(0.1, 0.8, stretch=canvas.log_uniform(3, 25), angle=angle + torch.pi / 2)
    worn = canvas.clouds(1.2, 1.8) + _zones(canvas, angle)
    image = canvas.colour(0.12, 0.2, 0.6) * (0.25 + 0.75 * round_) * (1 + bands)
    image = image * (1 + marks * canvas.log_uniform(0.01, 0.12) + worn * canvas.uniform(0, 0.12))
    lead = canvas.uniform(-0.5, 0.5)
    phase = (along + lead * at) * canvas.uniform(1.0, 5)
    groove = ((phase - phase.floor() - 0.5).abs() * 2 - canvas.uniform(0.5, 0.9)) / (
        2 * canvas.pixel
    )
    groove = (groove * 0.2).sigmoid() * canvas.chance(0.35)
    image = mix(image, image * canvas.uniform(0.1, 0.7), groove)
    mask = canvas.soft((1 - at.abs()) * half, 2)
    ground_ = (canvas.colour(0.2, 0.0, 0.5) * (1 + 0.1 * canvas.clouds(1.5, 2.2))).clamp(0, 1)
    image = mix(ground_, _lived_in(canvas, image), mask).clamp(0, 1)
    return Scene(image, mask, ground_)


def cast(canvas: Canvas) -> Scene:
    """Sintered, cast or moulded pieces: fine grain, broad blotches, dark at the border."""
    grain = canvas.fractal(0.0, 0.9, coarsest=canvas.uniform(1, 40))
    blotch = canvas.clouds(1.2, 2.0, coarsest=canvas.uniform(1, 5))
    light = _uneven(canvas) + grain * canvas.log_uniform(0.01, 0.09)
    light = light + blotch * canvas.uniform(0, 0.08)
    rough = relief(0.006 * grain, canvas.angle()) * canvas.uniform(0, 0.6)
    image = _photographed(canvas, _grey(canvas) * light * (1 + rough))
    x, y = canvas.rotated(canvas.uniform(-0.06, 0.06))
    side = torch.stack([x + 1, 1 - x, y + 1, 1 - y])
    share = canvas.uniform(-0.5, 0.25, 4).T.reshape(4, canvas.count, 1, 1, 1)
    beyond = (side - share).amin(dim=0)  # the outline of the piece, on some of its sides
    fall = (beyond / canvas.uniform(0.02, 0.2)).clamp(0, 1)
    image = image * (1 - (1 - fall) * canvas.uniform(0.1, 0.6))
    mask = mix(torch.ones_like(fall), canvas.soft(beyond, 2), canvas.chance(0.7))
    ground_ = (canvas.colour(0.1, 0.0, 0.25) * torch.ones_like(fall)).expand_as(image)
    image = mix(ground_, _lived_in(canvas, image), mask).clamp(0, 1)
    return Scene(image, mask, ground_)


def glazed(canvas: Canvas) -> Scene:
    """Glazed, polished or lacquered plates: almost plain, soft reflections, some speckles."""
    cloud = canvas.clouds(1.6, 2.4) * canvas.uniform(0, 0.05)
    first, _, number = canvas.cells(
        canvas.uniform(10, 30),
        1.0,
        canvas.x.expand(canvas.count, 1, canvas.size, -1),
        canvas.y.expand(canvas.count, 1, -1, canvas.size),
    )
    speck = ((0.05 + 0.15 * number - first) * 15).sigmoid() * (number > canvas.uniform(0.3, 1))
    base = canvas.colour(0.4, 0.2, 0.95)
    image = mix(base * (1 + cloud), canvas.colour(0.5), speck * canvas.uniform(0, 0.5))
    _, across = canvas.rotated(canvas.angle())
    band = (-((across - canvas.uniform(-1, 1)) / canvas.log_uniform(0.05, 0.6)).square()).exp()
    mirror = canvas.clouds(1.8, 2.6).clamp(0, 2) * canvas.uniform(0, 0.1)
    image = image * _uneven(canvas) + band * canvas.uniform(0, 0.35) + mirror
    return surface(_lived_in(canvas, image))


def _grey(canvas: Canvas) -> Tensor:
    """The tone of bare metal or ceramic, (N, 3, 1, 1)."""
    return canvas.colour(0.15, 0.25, 0.8)


def _uneven(canvas: Canvas) -> Tensor:
    """Light of about 1 that falls off to a side, to the corners, or in broad bands."""
    along, across = canvas.rotated(canvas.angle())
    slope = along * canvas.uniform(0, 0.45)
    band = (across * canvas.uniform(1, 3) + canvas.angle()).cos() * canvas.uniform(0, 0.25)
    corner = (canvas.x.square() + canvas.y.square()) * canvas.uniform(-0.05, 0.25)
    return (1 + slope + band * canvas.chance(0.5) - corner).clamp(0.1, 2)


def _zones(canvas: Canvas, angle: Tensor) -> Tensor:
    """Worn and less worn zones drawn out along a direction, 0 to 1 with soft borders."""
    quarter = Canvas(canvas.count, max(2, canvas.size // 4), canvas.generator)
    field = quarter.fractal(1.4, 2.2, stretch=canvas.uniform(1, 4), angle=angle)
    size = (canvas.size, canvas.size)
    field = torch.nn.functional.interpolate(field, size=size, mode="bilinear")
    return (field * canvas.uniform(1, 6)).sigmoid()


def _bowed(canvas: Canvas, field: Tensor) -> Tensor:
    """Bend a field (N, 1, S, S) into arcs, as a turning tool leaves them."""
    angle, bow = canvas.angle(), canvas.uniform(-0.5, 0.5)
    u, v = canvas.rotated(angle)
    x, y = canvas.rotated(-angle, u, v + bow * u.square())
    grid = torch.cat([x, y], 1).permute(0, 2, 3, 1)
    return grid_sample(field, grid, align_corners=False, padding_mode="reflection")


def _photographed(canvas: Canvas, image: Tensor) -> Tensor:
    """In place of drawn grain, on some, that of a photographed material in low contrast."""
    if canvas.photos is None:
        return image
    crop = canvas.photos.crops(
        canvas.count, canvas.size, canvas.generator, ("material",), widest=1.5
    )
    grain = crop.mean(dim=1, keepdim=True)
    grain = grain - grain.mean(dim=(2, 3), keepdim=True)
    return image * (1 + grain * canvas.log_uniform(0.1, 1.5) * canvas.chance(0.5))


def _lived_in(canvas: Canvas, image: Tensor) -> Tensor:
    """Use leaves faint hairlines and rims of dried oil; nobody rejects a part for them."""
    film = canvas.clouds(1.8, 2.4, coarsest=2.0) - canvas.uniform(-1, 2)
    rim = (-(film * canvas.uniform(8, 25)).square()).exp() * canvas.uniform(0, 0.08)
    body = (film * 10).sigmoid() * canvas.uniform(-0.06, 0.06)
    return image * (1 + (body - rim) * canvas.chance(0.4))
