"""Defects of tissue: masses, bleeds, swellings, small foci, polyps.

The same signature as in :mod:`faprompt.pretrain.defects`. Shapes: N pictures, S side.
"""

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from faprompt.pretrain.canvas import Canvas, Scene, blurred, mix, relief
from faprompt.pretrain.defects import Damage, centre_in


def _radius(canvas: Canvas, where: Tensor, low: float, high: float) -> Tensor:
    """Radius of a disc with a share between ``low`` and ``high`` of what is 1 in ``where``."""
    area = 4 * where.mean(dim=(1, 2, 3), keepdim=True).clamp(min=0.02)
    return (area * canvas.log_uniform(low, high) / torch.pi).sqrt()


def _lobed(canvas: Canvas, at: tuple[Tensor, Tensor], radius: Tensor) -> Tensor:
    """Distance to a smooth, lobed outline around a point in units of its radius."""
    u, v = canvas.rotated(canvas.angle(), canvas.x - at[0], canvas.y - at[1])
    squeeze = canvas.uniform(0.65, 1.0)
    distance = ((u * squeeze / radius).square() + (v / squeeze / radius).square() + 1e-9).sqrt()
    lobes = canvas.clouds(1.8, 2.6, coarsest=2.0) * canvas.uniform(0.02, 0.3)
    return 1 - distance - lobes * (distance < 2)


def _pushed(canvas: Canvas, image: Tensor, at: tuple[Tensor, Tensor], radius: Tensor) -> Tensor:
    """Tissue pressed away from a point: what was within ``radius`` now lies around it."""
    dx, dy = canvas.x - at[0], canvas.y - at[1]
    far = (dx.square() + dy.square() + 1e-9).sqrt() / (1.9 * radius)
    scale = far.clamp(max=1).pow(canvas.uniform(0.4, 1.3))  # < 1 within: read nearer the centre
    grid = torch.cat([at[0] + dx * scale, at[1] + dy * scale], 1).permute(0, 2, 3, 1)
    return grid_sample(image, grid, align_corners=False, padding_mode="reflection")


def _changed(before: Tensor, after: Tensor, least: float) -> Tensor:
    """Where two pictures differ by more than ``least`` on average around, (N, 1, S, S)."""
    change = (after - before).abs().mean(dim=1, keepdim=True)
    return (blurred(change, max(2, change.shape[-1] // 48)) > least).float()


def mass(canvas: Canvas, scene: Scene) -> Damage:
    """A tumour: core, rim, dead middle, oedema around, the rest pushed aside."""
    x, y = centre_in(canvas, scene.foreground)
    radius = _radius(canvas, scene.foreground, 0.015, 0.3)
    inside = _lobed(canvas, (x, y), radius)
    core = canvas.soft(inside * radius, canvas.size / 224 * 4) * scene.foreground
    moved = _pushed(canvas, scene.image, (x, y), radius)
    moved = mix(scene.image, moved, canvas.chance(0.7) * scene.foreground)
    shifted = _changed(scene.image, moved, 0.05) * scene.foreground
    sign = torch.where(canvas.chance(0.6) > 0, 1.0, -1.0)
    water = (inside + canvas.uniform(0.3, 1.2)) * 3 + 0.7 * canvas.clouds(1.4, 2.0, coarsest=3.0)
    water = water.sigmoid() * scene.foreground * canvas.chance(0.6)
    image = moved + water * canvas.uniform(0.06, 0.25) * sign
    level = _mean(scene) + canvas.uniform(0.03, 0.4) * torch.where(
        canvas.chance(0.7) > 0, sign, -sign
    )
    grain = canvas.clouds(1.0, 2.0, coarsest=3.0) * canvas.uniform(0.01, 0.12)
    rim = (-((inside - 0.15) / canvas.uniform(0.08, 0.2)).square()).exp() * canvas.chance(0.5)
    dead = ((inside - canvas.uniform(0.3, 0.6)) * 12 + grain * 20).sigmoid() * canvas.chance(0.45)
    body = level + grain + rim * canvas.uniform(0.1, 0.45) - dead * canvas.uniform(0.1, 0.4)
    body = mix(body.expand_as(image), image, canvas.uniform(0, 0.4))
    mask = torch.maximum(core, 0.6 * (water > 0.35) * canvas.chance(0.7))
    return mix(image, body, core), torch.maximum(mask, 0.3 * shifted)


def bleed(canvas: Canvas, scene: Scene) -> Damage:
    """Blood: a crescent along the outline of the tissue or a pool in it, bright or dark."""
    x, y = centre_in(canvas, scene.foreground)
    deep = blurred(scene.foreground, max(2, canvas.size // 7))  # about 0.5 at the outline
    reach = _lobed(canvas, (x, y), _radius(canvas, scene.foreground, 0.1, 0.3) * 1.5)
    crescent = torch.minimum((canvas.uniform(0.65, 0.85) - deep) * 0.5, reach * 0.3)
    pool = _lobed(canvas, (x, y), _radius(canvas, scene.foreground, 0.01, 0.1)) * 0.2
    mask = torch.where(canvas.chance(0.5) > 0, crescent, pool)
    mask = canvas.soft(mask, canvas.size / 224 * 4) * scene.foreground
    level = torch.where(canvas.chance(0.65) > 0, canvas.uniform(0.65, 1), canvas.uniform(0, 0.2))
    body = level * (1 + 0.04 * canvas.clouds(1.0, 2.0))
    return mix(scene.image, body.expand_as(scene.image), mask * canvas.uniform(0.6, 1)), mask


def asymmetry(canvas: Canvas, scene: Scene) -> Damage:
    """One region swells: folds vanish in it, what is beside it is pushed away."""
    x, y = centre_in(canvas, scene.foreground)
    radius = _radius(canvas, scene.foreground, 0.03, 0.2)
    inside = _lobed(canvas, (x, y), radius * 1.4)
    region = (inside * 5).sigmoid() * (inside > -0.4) * scene.foreground
    moved = mix(scene.image, _pushed(canvas, scene.image, (x, y), radius), scene.foreground)
    flat = blurred(moved, max(2, canvas.size // 16)) * canvas.uniform(0.75, 1.25)
    image = mix(moved, flat, region * canvas.uniform(0.4, 0.9))
    changed = torch.maximum(region, _changed(scene.image, moved, 0.03))
    return image, changed * scene.foreground


def bright_focus(canvas: Canvas, scene: Scene) -> Damage:
    """A brighter focus in tissue: tumour, bleed, overexposed cell."""
    return _focus(canvas, scene, canvas.uniform(0.12, 0.5))


def dark_focus(canvas: Canvas, scene: Scene) -> Damage:
    """A darker focus in tissue: oedema, necrosis, dead cell."""
    return _focus(canvas, scene, canvas.uniform(-0.45, -0.12))


def _focus(canvas: Canvas, scene: Scene, change: Tensor) -> Damage:
    x, y = centre_in(canvas, scene.foreground)
    inside = _lobed(canvas, (x, y), canvas.log_uniform(0.05, 0.4))
    mask = (inside * canvas.uniform(3, 20)).sigmoid() * (inside > -0.4) * scene.foreground
    texture = 1 + canvas.clouds(1.0, 2.0) * canvas.uniform(0.05, 0.3)
    edge = (-((inside - 0.1) / 0.12).square()).exp() * canvas.uniform(-0.5, 0.8)
    return scene.image + mask * change * (texture + edge), mask


def _mean(scene: Scene) -> Tensor:
    """Mean of the picture where it can be damaged, (N, 1, 1, 1)."""
    weight = scene.foreground.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1)
    grey = scene.image.mean(dim=1, keepdim=True)
    return (grey * scene.foreground).sum(dim=(1, 2, 3), keepdim=True) / weight


def polyp(canvas: Canvas, scene: Scene) -> Damage:
    """A smooth lump of tissue: own light and shadow, a little redder or paler, own vessels."""
    # Whoever steers the lens turns it towards what was found.
    middle = (-(canvas.x.square() + canvas.y.square()) * canvas.uniform(0.2, 2)).exp()
    x, y = centre_in(canvas, scene.foreground * middle)
    radius = canvas.log_uniform(0.12, 0.75)
    inside = _lobed(canvas, (x, y), radius)
    dome = inside.clamp(0, 1)
    dome = (dome * (2 - dome)).pow(canvas.uniform(0.5, 1.0))
    turn = canvas.angle()
    steep = 1 + canvas.uniform(1, 14)  # a flat one fades into what it grows on
    mask = (inside * 3 * steep).sigmoid() * scene.foreground * (inside > -0.35)
    light = relief(dome * radius * 0.7, turn) * canvas.uniform(0.4, 1.2)
    light = 0.6 * light + (dome - 0.65) * canvas.uniform(0.2, 0.8)  # and from the lens
    body = _grown(canvas, scene.image) * (1 + light)
    wet = relief(dome * radius * 0.5 + 0.004 * canvas.clouds(1.4, 1.8, coarsest=4.0), turn)
    gleam = ((wet - canvas.uniform(0.3, 0.6)) * 16).sigmoid() * (dome > 0.3) * canvas.chance(0.6)
    body = mix(body, torch.ones_like(body), gleam * canvas.uniform(0.4, 0.95))
    away = (canvas.x - x) * turn.cos() + (canvas.y - y) * turn.sin()
    foot = (-((inside + 0.1) / canvas.uniform(0.1, 0.3)).square()).exp() * canvas.uniform(0, 0.5)
    foot = foot * (-4 * away / radius).sigmoid() * scene.foreground
    return mix(scene.image * (1 - foot), body, mask), torch.maximum(mask, foot)


def _grown(canvas: Canvas, image: Tensor) -> Tensor:
    """New tissue in the place of a picture's: its light and broad colours, another surface."""
    local = blurred(image, max(2, canvas.size // 10))
    fresh = mix(local, image, canvas.uniform(0.1, 0.7))
    red = canvas.uniform(-0.18, 0.18)
    tint = 1 + torch.cat([red * 0.2, -red, -red * canvas.uniform(0.6, 1.1)], 1)
    fine = canvas.fractal(1.0, 1.6, coarsest=canvas.uniform(6, 16))
    vein = (1 - fine.abs() * 3).clamp(0, 1) * canvas.uniform(0, 0.2)
    return fresh * tint * (1 + fine * canvas.uniform(0, 0.06)) * (1 - vein)
