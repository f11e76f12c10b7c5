"""Defects on a surface, with exact masks: each function damages the N pictures of a scene.

All of them have one signature: (canvas, scene) to (damaged picture (N, 3, S, S), mask (N, 1, S, S)
in [0, 1]); the mask is soft where the damage fades. Shapes: N pictures, S side.
"""

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from faprompt.pretrain.canvas import Canvas, Scene, blurred, mix, relief

Damage = tuple[Tensor, Tensor]
LONE = 0.1
"""Largest radius, in coordinates, of a foreign body that lies alone on plain ground."""
CALM = 0.02
"""Mean difference from the broad colours below which a surface counts as plain."""
_PLACES = 16  # centres are drawn on a grid of this side


def centre_in(canvas: Canvas, where: Tensor) -> tuple[Tensor, Tensor]:
    """A random point for each picture where ``where`` (N, 1, S, S) is high; (N, 1, 1, 1) each."""
    share = adaptive_avg_pool2d(where, _PLACES).flatten(1) + 1e-6
    index = torch.multinomial(share.square(), 1, generator=canvas.generator).view(-1, 1, 1, 1)
    cell = 2 / _PLACES
    x = ((index % _PLACES) + canvas.uniform(0.2, 0.8)) * cell - 1
    y = ((index // _PLACES) + canvas.uniform(0.2, 0.8)) * cell - 1
    return (x - canvas.origin[0]) / canvas.unit, (y - canvas.origin[1]) / canvas.unit


def plain(scene: Scene) -> Tensor:
    """1 where a surface with hardly any structure fills the picture, else 0, (N, 1, 1, 1).

    On such a ground a large raised or foreign piece could not be told from a thing that was laid
    there to be inspected.
    """
    detail = scene.image - blurred(scene.image, max(2, scene.image.shape[-1] // 16))
    calm = detail.abs().mean(dim=(1, 2, 3), keepdim=True) < CALM
    fills = scene.foreground.mean(dim=(1, 2, 3), keepdim=True) > 0.8
    return (calm & fills).float()


def blob(
    canvas: Canvas,
    where: Tensor,
    low: float,
    high: float,
    *,
    ragged: float = 0.3,
    small: Tensor | None = None,
) -> Tensor:
    """Distance to a ragged outline in units of its radius, positive inside, (N, 1, S, S).

    Its radius lies between ``low`` and ``high``; where ``small`` (N, 1, 1, 1) is 1, it is no larger
    than a foreign body on plain ground may be.
    """
    x, y = centre_in(canvas, where)
    u, v = canvas.rotated(canvas.angle(), canvas.x - x, canvas.y - y)
    radius = canvas.log_uniform(low, high)
    if small is not None:
        tiny = canvas.log_uniform(min(low, LONE / 2), LONE)
        radius = torch.where(small > 0, torch.minimum(radius, tiny), radius)
    radius = _at_least(canvas, radius, 2)
    squeeze = canvas.uniform(0.6, 1.0)
    distance = ((u * squeeze / radius).square() + (v / squeeze / radius).square() + 1e-9).sqrt()
    noise = canvas.fractal(1.3, 2.5, coarsest=2.0) * canvas.uniform(0, ragged)
    return 1 - distance - noise * (distance < 2)


def _at_least(canvas: Canvas, length: Tensor, pixels: float) -> Tensor:
    """A length in coordinates that small things do not shrink below some pixels."""
    return torch.maximum(length, pixels * torch.as_tensor(canvas.pixel, device=canvas.device))


def stroke(canvas: Canvas, where: Tensor, *, rough: float, bend: float) -> tuple[Tensor, Tensor]:
    """A curved line through a point: distance across and along it, (N, 1, S, S) each.

    The first is in coordinates; the second is 0 in the middle and 1 at the ends.
    """
    x, y = centre_in(canvas, where)
    u, v = canvas.rotated(canvas.angle(), canvas.x - x, canvas.y - y)
    length = _at_least(canvas, canvas.log_uniform(0.15, 1.0), 10)
    smooth = canvas.profile(u / 2, 2.5) * canvas.uniform(0, bend)
    jagged = canvas.profile(u / 2, 1.4) * canvas.uniform(0.2, 1) * rough
    across = v - (smooth + jagged) * length
    return across, (u / length).abs()


def mean_colour(scene: Scene) -> Tensor:
    """Mean of what can be damaged, (N, 3, 1, 1)."""
    area = scene.foreground.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    return (scene.image * scene.foreground).sum(dim=(2, 3), keepdim=True) / area


def visible(ground: Tensor, colour: Tensor, least: float = 0.15) -> Tensor:
    """Push a colour (N, 3, 1, 1) away from that of the ground until it can be seen."""
    level = ground.mean(dim=1, keepdim=True)
    gap = colour - ground
    size = gap.abs().mean(dim=1, keepdim=True)
    away = torch.where(level > 0.5, -least, least) + gap
    return torch.where(size < least, ground + away, colour).clamp(0, 1)


def scratch(canvas: Canvas, scene: Scene) -> Damage:
    """One to three thin lines, side by side, bright or dark, deep or hardly there."""
    across, along = stroke(canvas, scene.foreground, rough=0.01, bend=0.25)
    width = _at_least(canvas, canvas.log_uniform(0.005, 0.025), 0.5) * (
        1.05 - along.clamp(0, 1).square()
    )
    gap, twins = canvas.uniform(0.02, 0.08), canvas.chance(0.4)
    lines = torch.maximum(
        width - across.abs(), (width - (across - gap).abs()) * twins - (1 - twins)
    )
    mask = canvas.soft(lines, canvas.uniform(1, 2)) * (along < 1) * scene.foreground
    sign = torch.where(canvas.chance(0.5) > 0, 1.0, -1.0)
    pressed = canvas.profile(along - 0.5, 1.0) * canvas.uniform(0, 0.3)
    level = scene.image + sign * canvas.uniform(0.1, 0.5) * (1 + pressed)
    burr = canvas.soft(width - (across - 2 * width).abs()) * (along < 1) * scene.foreground
    burr = burr * canvas.chance(0.5)
    image = mix(scene.image, level, mask) - sign * 0.1 * burr * (1 - mask)
    return image, torch.maximum(mask, burr * 0.6)


def crack(canvas: Canvas, scene: Scene) -> Damage:
    """A jagged dark line, from a hairline to a gap, with a branch; one lip may catch light."""
    across, along = stroke(canvas, scene.foreground, rough=0.08, bend=0.25)
    rest = 1 - along.clamp(0, 1)
    width = _at_least(canvas, canvas.log_uniform(0.005, 0.035), 0.5) * rest
    line = width - across.abs()
    side = (across - canvas.uniform(-0.15, 0.15) * (along - 0.15).clamp(min=0)).abs()
    branch = torch.where(canvas.chance(0.4) > 0, width * 0.6 - side, line)
    mask = canvas.soft(torch.maximum(line, branch)) * (along < 1) * scene.foreground
    lip = canvas.soft(width * 0.7 - (across - 1.5 * width).abs()) * (along < 1) * scene.foreground
    lip = lip * canvas.chance(0.3) * (1 - mask)
    dark = scene.image * canvas.uniform(0.0, 0.8)
    image = mix(scene.image * (1 + 0.25 * lip), dark, mask)
    return image, torch.maximum(mask, 0.6 * lip)


def hole(canvas: Canvas, scene: Scene) -> Damage:
    """A pit or a hole: dark inside, lit at one rim."""
    inside = blob(canvas, scene.foreground, 0.02, 0.3, small=plain(scene) * canvas.chance(0.7))
    mask = canvas.soft(inside * 0.1, 1.5) * scene.foreground
    floor = torch.minimum(scene.image * 0.6, canvas.colour(0.2, 0.0, 0.3))
    rim = relief(inside.clamp(0, 0.4) * 0.15, canvas.angle())
    image = mix(scene.image, floor * (1 - rim * 0.7) - rim * 0.15, mask)
    return image, mask


def dent(canvas: Canvas, scene: Scene) -> Damage:
    """Light that is bent by a hollow or a bump; the colour stays."""
    inside = blob(canvas, scene.foreground, 0.08, 0.6, ragged=0.15).clamp(0, 1)
    height = inside.square() * (3 - 2 * inside)
    light = relief(height * canvas.uniform(0.05, 0.3), canvas.angle())
    light = blurred(light, 2) * canvas.uniform(0.3, 0.9)
    mask = (inside > 0.05).float() * scene.foreground
    return scene.image * (1 + light * mask) + 0.1 * light * mask, mask


def stain(canvas: Canvas, scene: Scene) -> Damage:
    """A translucent, uneven spot of another colour."""
    inside = blob(canvas, scene.foreground, 0.06, 0.6, ragged=0.6)
    # On plain ground a stain is told from a flat thing by its outline.
    inside = inside - 0.25 * plain(scene) * canvas.clouds(1.0, 1.6, coarsest=4.0) * (inside > -1)
    mask = (inside * canvas.log_uniform(4, 30)).sigmoid() * (inside > -0.3) * scene.foreground
    tint = visible(mean_colour(scene), canvas.colour(0.9))
    depth = (0.75 + 0.25 * canvas.fractal(1.0, 2.2)).clamp(0.2, 1) * canvas.uniform(0.3, 0.95)
    rim = (-((inside - 0.05) / 0.07).square()).exp() * canvas.uniform(0, 0.5) * canvas.chance(0.4)
    depth = (depth + rim).clamp(0, 1)  # what dries leaves a rim
    return mix(scene.image, tint * (0.5 + 0.5 * scene.image), mask * depth), mask


def discolouration(canvas: Canvas, scene: Scene) -> Damage:
    """A region of another brightness or hue, structure kept."""
    inside = blob(canvas, scene.foreground, 0.15, 0.8, ragged=0.5)
    mask = (inside * canvas.log_uniform(3, 30)).sigmoid() * (inside > -0.35) * scene.foreground
    gain = 1 + canvas.uniform(0.1, 0.6) * torch.where(canvas.chance(0.5) > 0, 1.0, -1.0)
    hue = 1 + canvas.uniform(-0.4, 0.4, 3, 1, 1) * canvas.chance(0.6)
    return mix(scene.image, scene.image * gain * hue, mask), mask


def contamination(canvas: Canvas, scene: Scene) -> Damage:
    """Specks and crumbs within a patch."""
    patch = blob(canvas, scene.foreground, 0.1, 0.4)
    x, y = canvas.x.expand(-1, -1, canvas.size, -1), canvas.y.expand(-1, -1, -1, canvas.size)
    full = canvas.count, 1, canvas.size, canvas.size
    across = canvas.uniform(8, 26) * (1 + plain(scene))
    first, _, number = canvas.cells(across, 0.8, x.expand(full), y.expand(full))
    size = canvas.uniform(0.2, 0.45) * (0.4 + number)
    kept = (number > canvas.uniform(0.2, 0.6)) & (patch > 0)
    mask = ((size - first) / across / canvas.pixel * 2 + 0.5).clamp(0, 1) * kept * scene.foreground
    colour = visible(mean_colour(scene), canvas.colour(0.8), 0.25)
    return mix(scene.image, colour * (0.7 + 0.3 * number), mask), mask


def fibre(canvas: Canvas, scene: Scene) -> Damage:
    """A hair or thread lying on top, thin at its ends, with a shadow."""
    across, along = stroke(canvas, scene.foreground, rough=0.02, bend=0.6)
    width = _at_least(canvas, canvas.log_uniform(0.006, 0.035), 0.5) * (
        1.02 - along.clamp(0, 1).pow(6)
    )
    mask = canvas.soft(width - across.abs()) * (along < 1)
    shadow = canvas.soft(width - (across - 1.5 * width).abs(), 2) * (along < 1)
    shadow = shadow * canvas.uniform(0, 0.4)
    colour = visible(mean_colour(scene), canvas.colour(0.9), 0.2)
    round_ = 1 - 0.4 * (across / width).clamp(-1, 1).square()
    image = mix(scene.image * (1 - shadow), colour * round_, mask * canvas.uniform(0.6, 1))
    return image, torch.maximum(mask, 2 * shadow)


def chip(canvas: Canvas, scene: Scene) -> Damage:
    """A piece broken off at the outline: the background shows."""
    edge = blurred(scene.foreground, max(1, canvas.size // 64))
    edge = (1 - (2 * edge - 1).abs()).clamp(0, 1)
    inside = blob(canvas, edge, 0.08, 0.35, ragged=0.4)
    mask = canvas.soft(inside * 0.15, 1.5) * scene.foreground
    lip = ((inside.abs() < 0.12) * scene.foreground * (1 - mask)) * canvas.uniform(0, 0.4)
    return mix(scene.image * (1 - lip), scene.background, mask), torch.maximum(mask, lip)


def lump(canvas: Canvas, scene: Scene) -> Damage:
    """A raised, rounded bump with a shadow at its foot and light on one side."""
    inside = blob(canvas, scene.foreground, 0.08, 0.5, ragged=0.15, small=plain(scene))
    dome = inside.clamp(0, 1)
    dome = (dome * (2 - dome)).pow(canvas.uniform(0.5, 1))
    turn = canvas.angle()
    light = relief(dome * canvas.uniform(0.08, 0.25), turn)
    mask = (inside * canvas.log_uniform(8, 40)).sigmoid() * (inside > -0.2) * scene.foreground
    tint = 1 + canvas.uniform(-0.2, 0.2, 3, 1, 1) * canvas.chance(0.7)
    grain = 1 + canvas.fractal(0.8, 1.6) * canvas.uniform(0, 0.08)
    base = mix(scene.image, blurred(scene.image, max(1, canvas.size // 48)), canvas.uniform(0, 1))
    body = base * tint * grain * (1 + 0.7 * light) + 0.1 * light
    foot = (-((inside + 0.08) / 0.12).square()).exp() * canvas.uniform(0, 0.4)
    foot = foot * (1 - relief(-inside, turn)) * 0.5 * scene.foreground
    return mix(scene.image * (1 - foot), body, mask), torch.maximum(mask, foot)
