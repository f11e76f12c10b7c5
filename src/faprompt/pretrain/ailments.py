"""Defects of single things: cuts, bites, mould, blots; and foreign bodies beside them.

The same signature as in :mod:`faprompt.pretrain.defects`; but for :func:`foreign`, the canvas is
zoomed to the thing, so that sizes are shares of its radius. Shapes: N pictures, S side.
"""

import torch
from torch import Tensor

from faprompt.pretrain.canvas import Canvas, Scene, blurred, mix, relief
from faprompt.pretrain.defects import LONE, Damage, blob, centre_in, mean_colour, stroke, visible


def _flesh(canvas: Canvas, scene: Scene) -> Tensor:
    """What is inside a thing: another tone than its skin, grainy, (N, 3, S, S)."""
    skin = mean_colour(scene)
    paler = skin + (1 - skin) * canvas.uniform(0.25, 0.8)
    darker = skin * canvas.uniform(0.15, 0.6)
    core = torch.where(skin.mean(dim=1, keepdim=True) < canvas.uniform(0.35, 0.75), paler, darker)
    grain = canvas.fractal(0.4, 1.4, coarsest=4.0)
    rough = relief(0.01 * grain, canvas.angle())
    return (core * (1 + grain * canvas.uniform(0.02, 0.12) + 0.5 * rough)).clamp(0, 1)


def cut(canvas: Canvas, scene: Scene) -> Damage:
    """One or two straight slits that gape in the middle: flesh, a dark ground, one bright lip."""
    image, mask = scene.image, torch.zeros_like(scene.foreground)
    flesh = _flesh(canvas, scene)
    for number in range(2):
        across, along = stroke(canvas, scene.foreground, rough=0.008, bend=0.12)
        width = canvas.log_uniform(0.025, 0.12) * (1 - along.clamp(0, 1).square())
        here = (along < 1) * scene.foreground
        here = here if number == 0 else here * canvas.chance(0.3)
        slit = canvas.soft(width - across.abs(), 1.2) * here
        deep = canvas.soft(width * canvas.uniform(0.1, 0.7) - across.abs(), 1.5) * here
        lip = canvas.soft(0.5 * width - (across - 1.4 * width).abs()) * here * (1 - slit)
        lip = lip * canvas.chance(0.6)
        inner = mix(flesh, flesh * canvas.uniform(0.05, 0.5), deep)
        image = mix(image * (1 + 0.3 * lip), inner, slit)
        mask = torch.maximum(mask, torch.maximum(slit, 0.5 * lip))
    return image, mask


def bite(canvas: Canvas, scene: Scene) -> Damage:
    """A piece of the outline is gone: the ground shows, and flesh at the broken face."""
    edge = blurred(scene.foreground, max(1, canvas.size // 64))
    edge = (1 - (2 * edge - 1).abs()).clamp(0, 1)
    inside = blob(canvas, edge, 0.3, 1.1, ragged=0.35)
    mask = canvas.soft(inside * 0.3, 1.5) * scene.foreground
    face = canvas.uniform(0.0, 0.5)  # breadth of the broken face, in radii of the bite
    through = canvas.soft((inside - face) * 0.3, 1.5)
    through = mix(torch.zeros_like(through), through, canvas.chance(0.8))
    flesh = _flesh(canvas, scene)
    hollow = 0.75 + 0.4 * relief(inside.clamp(-0.1, 0.6) * 0.3, canvas.angle())
    gone = mix(flesh * hollow, scene.background, through)
    return mix(scene.image, gone.clamp(0, 1), mask), mask


def mould(canvas: Canvas, scene: Scene) -> Damage:
    """Colonies of mould: downy rounds that run together, white, grey, green or black."""
    best = torch.full_like(scene.foreground, -9.0)
    for number in range(4):
        own = blob(canvas, scene.foreground, 0.12, 0.55, ragged=0.5)
        here = 1.0 if number == 0 else canvas.chance(0.45)
        best = torch.maximum(best, own * here - 9 * (1 - here))
    down = canvas.fractal(0.3, 1.2, coarsest=8.0)
    field = best * canvas.uniform(2, 8) + 0.6 * down
    mask = field.sigmoid() * (best > -0.3) * scene.foreground
    tints = torch.tensor(
        [[0.88, 0.88, 0.84], [0.45, 0.52, 0.38], [0.12, 0.12, 0.1], [0.55, 0.6, 0.62]],
        device=canvas.device,
    )
    row = (canvas.uniform(0, len(tints), 1) * 0.9999).long().flatten()
    tint = visible(mean_colour(scene), tints[row][..., None, None])
    coat = tint * (1 + 0.12 * down) * (0.85 + 0.15 * canvas.clouds(1.0, 2.0).tanh())
    core = (best.clamp(0, 1) * canvas.uniform(0, 0.6)) * canvas.chance(0.5)
    coat = mix(coat, coat * tint.new_tensor([0.6, 0.75, 0.6]).view(1, 3, 1, 1), core)
    return mix(scene.image, coat.clamp(0, 1), mask * canvas.uniform(0.6, 1)), (mask - 0.1).clamp(0)


def blot(canvas: Canvas, scene: Scene) -> Damage:
    """Paint or ink: an opaque splash with drops around it, or strokes of a pen."""
    drop = blob(canvas, scene.foreground, 0.12, 0.5, ragged=0.5)
    near, own = canvas.dots(canvas.uniform(8, 18), canvas.x, canvas.y)
    drops = ((0.05 + 0.25 * own - near) * 0.6).clamp(max=0.3)
    drops = torch.where((own > 0.5) & (drop > -canvas.uniform(0.3, 1.5)), drops, -1.0)
    splash = torch.maximum(drop * 0.3, drops * 0.3)
    pen = torch.full_like(splash, -9.0)
    for _ in range(2):
        across, along = stroke(canvas, scene.foreground, rough=0.01, bend=0.7)
        line = canvas.uniform(0.03, 0.1) - across.abs()
        pen = torch.maximum(pen, torch.where(along < 1, line, -9.0))
    inside = torch.where(canvas.chance(0.35) > 0, pen, splash)
    mask = canvas.soft(inside, canvas.uniform(1.2, 3)) * scene.foreground
    skin = mean_colour(scene)
    tint = visible(skin, canvas.colour(1.0, 0.05, 0.95), 0.22)
    cover = canvas.uniform(0.75, 1)
    local = blurred(scene.image.mean(dim=1, keepdim=True), 2)
    light = (local / skin.mean(dim=1, keepdim=True).clamp(min=0.05)).clamp(0.4, 1.6)
    return mix(scene.image, (tint * light).clamp(0, 1), mask * cover), mask


def foreign(canvas: Canvas, scene: Scene) -> Damage:
    """Something small beside the things that is none of them: a shard, crumbs or a thread."""
    free = 1 - blurred(scene.foreground, max(2, canvas.size // 16))
    free = (free > 0.98).float()
    x, y = centre_in(canvas, free)
    u, v = canvas.rotated(canvas.angle(), canvas.x - x, canvas.y - y)
    size = canvas.log_uniform(LONE / 3, LONE)
    shard = torch.maximum(u + 0.6 * v, torch.maximum(0.5 * u - v, -u - 0.3 * v)) / (0.75 * size)
    shard = (1 - shard) * size
    first, own = canvas.dots(canvas.uniform(22, 32), canvas.x, canvas.y)
    patch = ((u.square() + v.square()).sqrt() < size * canvas.uniform(1.5, 3)) & (own > 0.35)
    crumbs = torch.where(patch, (0.05 + 0.25 * own - first) / 15, -1.0)
    thread = canvas.uniform(0.008, 0.02) - (v - canvas.profile(u / 2, 2.5) * 0.15).abs()
    thread = torch.where(u.abs() < canvas.uniform(0.15, 0.45), thread, -1.0)
    kind = canvas.uniform(0, 1)
    inside = torch.where(kind < 0.35, shard, torch.where(kind < 0.75, crumbs, thread))
    mask = canvas.soft(inside, 1.3) * (1 - scene.foreground)
    area = (1 - scene.foreground).sum(dim=(2, 3), keepdim=True).clamp(min=1)
    ground = (scene.background * (1 - scene.foreground)).sum(dim=(2, 3), keepdim=True) / area
    tint = visible(ground, canvas.colour(1.0), 0.25)
    tint = torch.where((kind < 0.75) & (own > 0.8), tint * 0.7, tint)
    light = 1 + 0.5 * relief(inside.clamp(-0.02, 0.03), canvas.angle())
    return mix(scene.image, (tint * light).clamp(0, 1), mask), mask
