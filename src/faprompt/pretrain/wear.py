"""Defects of metal, ceramic and other hard surfaces: pits, blowholes, frays, wear, unevenness.

The same signature as in :mod:`faprompt.pretrain.defects`. Shapes: N pictures, S side.
"""

import torch
from torch import Tensor

from faprompt.pretrain.canvas import (
    Canvas,
    Scene,
    Zones,
    blurred,
    mix,
    relief,
    slopes,
    superellipse,
)
from faprompt.pretrain.defects import Damage, blob, centre_in, mean_colour, stroke


def blowhole(canvas: Canvas, scene: Scene) -> Damage:
    """One to three small dark cavities with a soft rim."""
    size = canvas.log_uniform(0.015, 0.12)
    x, y = centre_in(canvas, scene.foreground)
    best = torch.full_like(scene.foreground, -9.0)
    for number in range(3):
        here = torch.ones_like(x) if number == 0 else canvas.chance(0.35)
        u, v = canvas.rotated(canvas.angle(), canvas.x - x, canvas.y - y)
        own = size * canvas.uniform(0.6, 1)
        squeeze = canvas.uniform(0.55, 1.0)
        far = ((u * squeeze).square() + (v / squeeze).square() + 1e-9).sqrt()
        best = torch.maximum(best, (1 - far / own) * here - 9 * (1 - here))
        x, y = x + canvas.uniform(-0.3, 0.3), y + canvas.uniform(-0.3, 0.3)
    ragged = canvas.clouds(0.8, 1.6, coarsest=6.0) * canvas.uniform(0, 0.25)
    inside = best + ragged * (best > -1)
    mask = canvas.soft(inside * size, canvas.uniform(1, 4)) * scene.foreground
    halo = ((inside + 0.5) * 6).sigmoid() * (inside > -1) * canvas.uniform(0, 0.3)
    light = relief(inside.clamp(0, 0.6) * size, canvas.angle()) * canvas.uniform(0, 0.3)
    dark = scene.image * (canvas.uniform(0.05, 0.75) - light)
    halo = halo * scene.foreground
    image = mix(scene.image * (1 - halo), dark, mask)
    return image, torch.maximum(mask, halo)


def pits(canvas: Canvas, scene: Scene) -> Damage:
    """A field of pits that run into each other, edges ragged and dark, some floors bright."""
    patch = blob(canvas, scene.foreground, 0.04, 0.95, ragged=0.5)
    fine = canvas.fractal(0.9, 1.7, coarsest=canvas.log_uniform(4, 20))
    depth = fine * 0.5 + patch.clamp(-1, 0.7) * canvas.uniform(1, 2) - canvas.uniform(0.2, 0.7)
    mask = (depth * canvas.uniform(6, 25)).sigmoid() * (patch > -0.1) * scene.foreground
    tone = canvas.uniform(0.15, 0.85) * torch.where(canvas.chance(0.25) > 0, -0.7, 1.0)
    floor = 1 - tone * (0.7 + 0.3 * (fine * 2).tanh())
    edge = (-(depth * canvas.uniform(5, 12)).square()).exp()
    sign = torch.where(canvas.chance(0.3) > 0, -1.0, 1.0)  # some rims catch the light
    rust = 1 + canvas.uniform(-0.2, 0.2, 3, 1, 1) * canvas.chance(0.3)
    # A rough floor mirrors nothing: highlights and their gaps end at its edge.
    dull = mix(scene.image, blurred(scene.image, max(2, canvas.size // 12)), canvas.uniform(0.5, 1))
    base = mix(scene.image, dull, canvas.chance(0.5))
    pitted = base * floor * rust * (1 - edge * sign * canvas.uniform(0, 0.5))
    image = mix(scene.image, pitted, mask)
    # A marked field has no gaps of a few pixels in it.
    return image, torch.maximum(mask, blurred(mask, max(2, canvas.size // 64)))


def fray(canvas: Canvas, scene: Scene) -> Damage:
    """A torn band, a worn rim or, between two finishes, a border that is ragged."""
    image, mask = _torn(canvas, scene)
    rim, along_rim = _worn_rim(canvas, scene)
    outlined = scene.foreground.mean(dim=(1, 2, 3), keepdim=True) < 0.97
    at_rim = outlined * canvas.chance(0.4)
    image, mask = mix(image, rim, at_rim), mix(mask, along_rim, at_rim)
    if scene.zones is not None:
        ragged, between = _ragged_border(canvas, scene, scene.zones)
        here = canvas.chance(0.75)
        image, mask = mix(image, ragged, here), mix(mask, between, here)
    return image, mask


def _torn(canvas: Canvas, scene: Scene) -> Damage:
    """A band with rough streaks along it, lifted edges, ends that thin out."""
    across, along = stroke(canvas, scene.foreground, rough=0.05, bend=0.4)
    width = canvas.log_uniform(0.03, 0.16) * (1 - along.clamp(0, 1).square())
    streaks = canvas.fractal(0.6, 1.4, coarsest=canvas.uniform(3, 12))
    inside = (width - across.abs()) / width.clamp(min=0.01) + 0.35 * streaks
    mask = (inside * canvas.uniform(3, 10)).sigmoid() * (along < 1) * scene.foreground
    mask = mask * (width - across.abs() > -0.05)
    tone = canvas.uniform(0.1, 0.5) * torch.where(canvas.chance(0.5) > 0, 1.0, -1.0)
    torn = scene.image * (1 + tone + streaks * canvas.uniform(0.05, 0.3))
    return mix(scene.image, torn, mask), mask


def _stretch(canvas: Canvas, where: Tensor, low: float, high: float) -> Tensor:
    """1 around a random point of ``where``, falling to 0 at a random radius, (N, 1, S, S)."""
    x, y = centre_in(canvas, where)
    far = ((canvas.x - x).square() + (canvas.y - y).square()) / canvas.log_uniform(low, high) ** 2
    return (1 - far).clamp(0, 1).sqrt()


def _worn_rim(canvas: Canvas, scene: Scene) -> Damage:
    """A stretch of the outline is rough and worn, more so towards it."""
    wide = max(2, canvas.size // 10)
    depth = 2 * blurred(scene.foreground, wide) - 1  # 0 at the outline, 1 well within
    edge = (1 - (4 * depth).square()).clamp(0, 1) * scene.foreground
    window = _stretch(canvas, edge, 0.2, 0.9)
    rough = canvas.fractal(0.6, 1.5, coarsest=canvas.uniform(4, 20))
    reach = canvas.uniform(0.15, 0.8) * window
    inside = (reach - depth + canvas.uniform(0.05, 0.2) * rough) * (window > 0)
    mask = (inside * canvas.uniform(8, 40)).sigmoid() * (window > 0) * (inside > -0.1)
    mask = mask * scene.foreground
    tone = canvas.uniform(0.12, 0.5) * torch.where(canvas.chance(0.6) > 0, 1.0, -1.0)
    worn = scene.image * (1 + tone + rough * canvas.uniform(0.04, 0.2))
    gone = canvas.chance(0.35) * (depth < 0.4 * reach)
    return mix(scene.image, mix(worn, scene.background, gone), mask), mask


def _ragged_border(canvas: Canvas, scene: Scene, zones: Zones) -> Damage:
    """The border between two finishes frays: tongues of one reach into the other."""
    along = (-(zones.beyond / 0.06).square()).exp() * scene.foreground
    window = _stretch(canvas, along, 0.15, 0.9)
    ragged = canvas.fractal(0.5, 1.4, coarsest=canvas.uniform(4, 20))
    moved = ragged * canvas.uniform(0.4, 1) + canvas.uniform(-0.8, 0.8)
    beyond = zones.beyond + window * canvas.log_uniform(0.03, 0.2) * moved
    was, now = canvas.soft(zones.beyond, zones.width), canvas.soft(beyond, zones.width)
    worn = 1 + canvas.uniform(-0.25, 0.25) * canvas.chance(0.5)
    changed = (now - was).abs()
    image = scene.image + mix(zones.near, zones.far, now) - mix(zones.near, zones.far, was)
    image = mix(image, image * worn, changed) * scene.foreground
    image = image + scene.image * (1 - scene.foreground)
    mask = torch.maximum(changed, blurred(changed, max(2, canvas.size // 64)))
    return image, (mask * scene.foreground * (window > 0)).clamp(0, 1)


def uneven(canvas: Canvas, scene: Scene) -> Damage:
    """A large area that came out otherwise: its tone, its polish or its grain, the border soft."""
    inside = blob(canvas, scene.foreground, 0.2, 0.95, ragged=0.6)
    half, _ = canvas.rotated(canvas.angle())
    half = half - canvas.uniform(0.0, 0.6) + 0.1 * canvas.clouds(1.6, 2.2, coarsest=2.0)
    patchy = torch.minimum(inside, 0.5 * canvas.clouds(0.9, 1.6, coarsest=3.0) + 0.3)
    kind = canvas.uniform(0, 1)
    field = torch.where(kind < 0.25, half * 2, torch.where(kind < 0.5, patchy, inside))
    mask = (field * canvas.log_uniform(2.5, 25)).sigmoid() * (field > -0.4) * scene.foreground
    changed = mix(_other_tone(canvas, scene), _other_grain(canvas, scene), canvas.chance(0.55))
    # A marked area has no gaps of a few pixels in it.
    return mix(scene.image, changed, mask), torch.maximum(mask, blurred(mask, canvas.size // 40))


def _other_tone(canvas: Canvas, scene: Scene) -> Tensor:
    """The picture lighter or darker, blotched, (N, 3, S, S)."""
    tone = canvas.uniform(0.06, 0.45) * torch.where(canvas.chance(0.5) > 0, 1.0, -1.0)
    blotch = canvas.clouds(0.8, 1.8, coarsest=canvas.uniform(2, 8)) * canvas.uniform(0, 0.2)
    grain = canvas.fractal(0.2, 1.2) * canvas.uniform(0, 0.08)
    hue = 1 + canvas.uniform(-0.12, 0.12, 3, 1, 1) * canvas.chance(0.4)
    return scene.image * hue * (1 + tone + blotch + grain)


def _other_grain(canvas: Canvas, scene: Scene) -> Tensor:
    """The broad light of the picture with another fine structure, hardly another tone."""
    smooth = blurred(scene.image, max(2, canvas.size // 40))
    detail = scene.image - smooth
    own = detail.abs().mean(dim=(1, 2, 3), keepdim=True) / mean_colour(scene).mean(
        dim=1, keepdim=True
    ).clamp(min=0.02)
    grain = canvas.fractal(
        0.0, 1.4, stretch=canvas.log_uniform(1, 20), angle=canvas.angle(), coarsest=4.0
    )
    strength = (own * canvas.log_uniform(1.5, 5)).clamp(0.05, 0.25)
    polished = (own > 0.06) * canvas.chance(0.5)  # rubbed smooth, where there is what to rub
    other = smooth * (1 + grain * strength) + detail * canvas.uniform(0, 0.5)
    other = mix(other, smooth + detail * 0.15, polished)
    tone = canvas.uniform(0.03, 0.15) * torch.where(canvas.chance(0.5) > 0, 1.0, -1.0)
    return other * (1 + tone)


def unfinished(canvas: Canvas, scene: Scene) -> Damage:
    """An area that the tool left out or went over twice: the grain goes on beyond its border."""
    grain = grain_angle(scene)
    angle = grain + canvas.uniform(-0.05, 0.05)
    along, across = canvas.rotated(angle + torch.pi / 2 * canvas.chance(0.3))
    wobble = canvas.clouds(1.6, 2.2, coarsest=3.0) * canvas.uniform(0, 0.02)
    inside = _left_out(canvas, scene, grain, (along, across)) + wobble
    mask = canvas.soft(inside, canvas.log_uniform(1, 12)) * scene.foreground
    return mix(scene.image, _otherwise_cut(canvas, scene, angle), mask), mask


def grain_angle(scene: Scene) -> Tensor:
    """Direction in which a picture changes least, (N, 1, 1, 1) in radians."""
    grey = scene.image.mean(dim=1, keepdim=True)
    dx, dy = slopes(blurred(blurred(grey, 1), 1))  # those of the finest lines mislead
    xx, yy, xy = (
        (a * b * scene.foreground).sum(dim=(1, 2, 3), keepdim=True)
        for a, b in ((dx, dx), (dy, dy), (dx, dy))
    )
    return torch.atan2(2 * xy, xx - yy) / 2 + torch.pi / 2


def _left_out(canvas: Canvas, scene: Scene, grain: Tensor, at: tuple[Tensor, Tensor]) -> Tensor:
    """One end of a piece, a block, or a tongue: distance to its border, positive inside."""
    along, across = at
    end = along * torch.where(canvas.chance(0.5) > 0, 1.0, -1.0) - canvas.uniform(-0.05, 0.85)
    end = end + canvas.uniform(-0.25, 0.25) * (across.square() + across)
    x, y = centre_in(canvas, scene.foreground)
    u, v = canvas.rotated(grain, canvas.x - x, canvas.y - y)
    long, wide = canvas.log_uniform(0.12, 0.9), canvas.log_uniform(0.1, 0.6)
    thin = (1 + canvas.uniform(-0.6, 0.6) * u / long).clamp(0.3, 1.6)
    least = torch.minimum(long, wide)
    tongue = least * (1 - superellipse(u / long, v / (wide * thin), wide + 1.8))
    power = canvas.uniform(4, 12)
    block = least * (1 - superellipse(u / long, v / wide, power))
    kind = canvas.uniform(0, 1)
    return torch.where(kind < 0.45, end, torch.where(kind < 0.75, block, tongue))


def _otherwise_cut(canvas: Canvas, scene: Scene, angle: Tensor) -> Tensor:
    """The picture with its own grain stronger, weaker or as it was, in another tone."""
    _, across = canvas.rotated(angle)
    smooth = blurred(scene.image, max(2, canvas.size // 40))
    detail = scene.image - smooth
    streaks = canvas.profile(across / 1.5, 0.4) * canvas.log_uniform(0.03, 0.2)
    streaks = streaks * (1 + 0.4 * canvas.clouds(1.0, 1.8, coarsest=2.0))
    deeper = smooth * (1 + streaks) + detail * canvas.uniform(1, 3)
    grain = canvas.fractal(0.0, 1.0, coarsest=8.0) * canvas.uniform(0.01, 0.07)
    plainer = smooth * (1 + grain) + detail * canvas.uniform(0, 0.5)
    kind = canvas.uniform(0, 1)
    other = torch.where(kind < 0.5, deeper, torch.where(kind < 0.8, plainer, scene.image))
    tone = canvas.uniform(0.04, 0.4) * torch.where(canvas.chance(0.5) > 0, 1.0, -1.0)
    return other * (1 + tone)


def abrasion(canvas: Canvas, scene: Scene) -> Damage:
    """The finish is rubbed away: many fine lines in one direction, what was there is dulled."""
    inside = blob(canvas, scene.foreground, 0.12, 0.6, ragged=0.5)
    turn = canvas.angle()
    lines = canvas.fractal(0.3, 1.0, stretch=canvas.log_uniform(4, 20), angle=turn)
    mask = (inside * canvas.uniform(3, 12) + 0.8 * lines).sigmoid() * (inside > -0.25)
    mask = mask * scene.foreground
    dull = mix(
        scene.image, blurred(scene.image, max(2, canvas.size // 32)), canvas.uniform(0.2, 0.9)
    )
    tone = canvas.uniform(-0.3, 0.45)
    worn = dull * (1 + tone + lines * canvas.uniform(0.04, 0.25))
    return mix(scene.image, worn, mask), mask
