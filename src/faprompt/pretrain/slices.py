"""Slices through a head as MR and CT show them: planes, levels, modalities, borders with text.

What varies from one normal slice to the next: contrast, field of view, level, the shape of folds
and ventricles, skull or none. Shapes: N pictures, S side.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from faprompt.pretrain.canvas import Canvas, Scene, mix
from faprompt.pretrain.composing import marks


@dataclass(slots=True)
class Anatomy:
    """Distances to outlines in coordinates, positive inside, (N, 1, S, S) each."""

    head: Tensor
    brain: Tensor
    ventricle: Tensor
    nuclei: Tensor
    hindbrain: Tensor
    eyes: Tensor


_MODALITIES = (
    # scalp, bone, fluid, grey matter, white matter
    (0.85, 0.08, 0.12, 0.42, 0.62),  # T1
    (0.65, 0.06, 0.92, 0.55, 0.38),  # T2
    (0.55, 0.06, 0.10, 0.56, 0.42),  # FLAIR
    (0.30, 1.00, 0.22, 0.50, 0.42),  # CT
    (0.60, 0.10, 0.50, 0.66, 0.52),  # proton density
)


def head_slice(canvas: Canvas) -> Scene:
    """A slice through a head, axial, coronal or sagittal, somewhere between base and crown."""
    planes: tuple[Callable[[Canvas, Tensor], Anatomy], ...] = (_axial,) * 3 + (_coronal, _sagittal)
    plane = planes[int(canvas.uniform(0, len(planes)).flatten()[0])]
    own = canvas.clouds(2.0, 2.8, coarsest=2.0)
    bumps = mix((own + own.flip(3)) * 0.7, own, canvas.uniform(0.05, 0.4))
    anatomy = plane(canvas, bumps * canvas.uniform(0.004, 0.02))
    levels = _levels(canvas)
    inside = canvas.soft(anatomy.brain, 2)
    bare = canvas.chance(0.3)  # many slices come with the skull taken off
    shell = _shell(canvas, anatomy, levels) * (1 - bare)
    flat = mix(shell, _tissue(canvas, anatomy, levels), inside)
    image, brain = _framed(canvas, torch.cat([flat, inside], 1)).split(1, 1)
    image = _paged(canvas, (image + _overlay(canvas, image)).clamp(0, 1), brain)
    image = image.expand(-1, 3, -1, -1)
    return Scene(image, brain, torch.zeros_like(image))


def _levels(canvas: Canvas) -> list[Tensor]:
    """Grey levels of scalp, bone, fluid, grey and white matter, (N, 1, 1, 1) each."""
    table = torch.tensor(_MODALITIES, device=canvas.device)
    row = (canvas.uniform(0, len(table), 2) * 0.9999).long()
    first, second = table[row[:, 0]], table[row[:, 1]]
    level = mix(first, second, canvas.uniform(0, 0.35, 1))  # no scanner is like the other
    level = level + canvas.uniform(-0.07, 0.07, len(table))
    level = level * canvas.log_uniform(0.5, 1.2)[:, :, 0, 0]
    return [value.view(-1, 1, 1, 1) for value in level.clamp(0.02, 1).unbind(1)]


def _tissue(canvas: Canvas, anatomy: Anatomy, levels: list[Tensor]) -> Tensor:
    """Folded cortex, white matter, deep nuclei, ventricles and hindbrain, (N, 1, S, S)."""
    _, _, fluid, grey, white = levels
    folds = canvas.fractal(2.4, 3.4, coarsest=canvas.uniform(5, 10))
    folds = mix(folds, (folds + folds.flip(3)) * 0.7, canvas.uniform(0, 0.6)).abs()
    depth = (anatomy.brain / canvas.uniform(0.2, 0.45)).clamp(0, 2)
    ribbon = ((canvas.uniform(0.4, 0.8) - folds - 0.5 * depth) * canvas.uniform(4, 12)).sigmoid()
    ribbon = torch.maximum(ribbon, canvas.soft(anatomy.nuclei, 6) * canvas.uniform(0.2, 0.8))
    leaves = anatomy.hindbrain * canvas.uniform(60, 130) + 1.5 * folds
    leaves = leaves.sin() * canvas.uniform(0.1, 0.5) + 0.5
    behind = canvas.soft(anatomy.hindbrain, 3)
    ribbon = mix(ribbon, leaves * canvas.uniform(0.3, 1), behind)
    image = mix(white, grey, ribbon) * (1 + 0.03 * canvas.clouds(1.2, 2.0))
    wide = canvas.uniform(0.03, 0.3)
    cleft = ((wide - folds - canvas.uniform(0.4, 0.9) * depth) * 14).sigmoid() * (1 - behind)
    cleft = torch.maximum(cleft, canvas.soft(canvas.uniform(0.005, 0.03) - anatomy.brain, 3))
    cleft = torch.maximum(cleft, canvas.soft(anatomy.ventricle, 3))
    return mix(image, fluid, cleft * canvas.uniform(0.6, 1))


def _shell(canvas: Canvas, anatomy: Anatomy, levels: list[Tensor]) -> Tensor:
    """Scalp, bone with marrow, eyes, and what little is seen outside, (N, 1, S, S)."""
    scalp, bone = levels[:2]
    head, brain = anatomy.head, anatomy.brain
    thin = canvas.uniform(0.015, 0.05)
    skin = canvas.soft(head, 2)
    fat = canvas.clouds(0.8, 1.4, coarsest=4.0).tanh()
    fat = scalp * (0.7 + canvas.uniform(0.05, 0.3) * fat)
    image = mix(torch.zeros_like(head), fat, skin)
    hard = canvas.soft(torch.minimum(head - thin, brain + canvas.uniform(0.03, 0.09)), 3)
    marrow = canvas.soft(0.008 - (brain + 0.03).abs(), 4) * canvas.uniform(0, 0.5)
    image = mix(image, bone, hard * (1 - marrow))
    return mix(image, levels[2], canvas.soft(anatomy.eyes, 2) * skin)


def _ellipse(
    x: Tensor, y: Tensor, *, at: tuple[Tensor | float, Tensor | float], r: Tensor
) -> Tensor:
    """Distance to an ellipse at ``at`` with half axes ``r`` (N, 2, 1, 1), positive inside."""
    rx, ry = r[:, :1], r[:, 1:]
    radius = (((x - at[0]) / rx).square() + ((y - at[1]) / ry).square() + 1e-9).sqrt()
    return (1 - radius) * torch.minimum(rx, ry)


def _size(canvas: Canvas, x: tuple[float, float], y: tuple[float, float]) -> Tensor:
    return torch.cat([canvas.uniform(*x), canvas.uniform(*y)], 1)


def _horns(canvas: Canvas, x: Tensor, y: Tensor, *, high: Tensor) -> Tensor:
    """Two lateral ventricles and a slit between them; one side is a little larger."""
    side = x.abs() * (1 + canvas.uniform(-0.2, 0.2) * x.sign())
    scale = canvas.log_uniform(0.5, 1.7) * high
    front, across = canvas.rotated(canvas.uniform(1.1, 1.45), side - 0.09, y + 0.16)
    back, beside = canvas.rotated(canvas.uniform(-1.35, -0.9), side - 0.17, y - 0.2)
    one = _ellipse(front, across, at=(0, 0), r=_size(canvas, (0.14, 0.24), (0.04, 0.07)))
    two = _ellipse(back, beside, at=(0, 0), r=_size(canvas, (0.1, 0.24), (0.03, 0.06)))
    slit = torch.minimum(0.012 - x.abs(), canvas.uniform(0.03, 0.12) - (y - 0.03).abs())
    return torch.maximum(torch.maximum(one, two), slit) + (scale - 1) * 0.04


def _axial(canvas: Canvas, bumps: Tensor) -> Anatomy:
    x, y = canvas.x, canvas.y
    level = canvas.uniform(0, 1)  # 0 at the base of the skull, 1 at the crown
    shrink = 1 - 0.5 * (level - 0.7).clamp(min=0)
    size = _size(canvas, (0.62, 0.78), (0.78, 0.92)) * shrink
    head = _ellipse(x * (1 - canvas.uniform(0, 0.15) * y), y, at=(0, 0), r=size) + bumps
    brain = head - canvas.uniform(0.07, 0.16)
    open_ = ((level > 0.3) & (level < 0.8)).float()
    horns = _horns(canvas, x, y, high=canvas.uniform(0.5, 1)) - (1 - open_)
    midline = canvas.uniform(0.002, 0.014) - (x + 0.3 * bumps).abs()
    midline = torch.minimum(midline, y.abs() - canvas.uniform(0.1, 0.45) * open_)
    nuclei = _ellipse(x.abs(), y, at=(0.22, 0.0), r=_size(canvas, (0.08, 0.14), (0.15, 0.25)))
    base = (level < 0.25).float()
    behind = _ellipse(x, y, at=(0, 0.45), r=_size(canvas, (0.35, 0.5), (0.2, 0.3)))
    eyes = _ellipse(x.abs(), y, at=(0.3, -0.62), r=_size(canvas, (0.1, 0.14), (0.1, 0.14)))
    orbit = torch.minimum(head - 0.05, -0.38 - y + 0.4 * x.abs())
    brain = torch.minimum(brain, -orbit * base + (1 - base))
    return Anatomy(
        head,
        brain,
        torch.maximum(horns, midline),
        nuclei - (1 - open_),
        torch.minimum(behind, brain) - (1 - base),
        eyes - (1 - base),
    )


def _coronal(canvas: Canvas, bumps: Tensor) -> Anatomy:
    x, y = canvas.x, canvas.y
    size = _size(canvas, (0.62, 0.76), (0.62, 0.74))
    top = _ellipse(x, y, at=(0, -0.2), r=size) + bumps
    neck = torch.minimum(canvas.uniform(0.35, 0.6) - x.abs(), y) + bumps
    head = torch.maximum(top, neck)
    lobe = _ellipse(x.abs(), y, at=(0.36, 0.2), r=_size(canvas, (0.16, 0.24), (0.12, 0.2)))
    brain = torch.maximum(torch.minimum(top - canvas.uniform(0.07, 0.13), 0.15 - y), lobe + bumps)
    tilt, across = canvas.rotated(canvas.uniform(-1.1, -0.5), x.abs() - 0.12, y + 0.15)
    horn = _size(canvas, (0.08, 0.18), (0.02, 0.07))
    horns = _ellipse(tilt, across, at=(0, 0), r=horn)
    midline = torch.minimum(canvas.uniform(0.002, 0.014) - x.abs(), -0.3 - y)
    slit = torch.minimum(0.015 - x.abs(), 0.08 - (y - 0.02).abs())
    nuclei = _ellipse(x.abs(), y, at=(0.2, 0), r=_size(canvas, (0.1, 0.15), (0.1, 0.15)))
    behind = _ellipse(x, y, at=(0, 0.32), r=_size(canvas, (0.28, 0.45), (0.16, 0.25)))
    low = canvas.chance(0.5)
    eyes = _ellipse(x.abs(), y, at=(0.3, 0.55), r=_size(canvas, (0.1, 0.15), (0.1, 0.15)))
    brain = torch.maximum(brain, behind - (1 - low))
    ventricle = torch.maximum(torch.maximum(horns, midline), slit)
    return Anatomy(head, brain, ventricle, nuclei, behind - (1 - low), eyes - canvas.chance(0.7))


def _sagittal(canvas: Canvas, bumps: Tensor) -> Anatomy:
    face = torch.where(canvas.chance(0.5) > 0, 1.0, -1.0)
    x, y = canvas.x * face, canvas.y
    size = _size(canvas, (0.72, 0.86), (0.6, 0.7))
    top = _ellipse(x, y + 0.12 * x, at=(0.05, -0.22), r=size) + bumps
    jaw = _ellipse(x, y, at=(-0.35, 0.45), r=_size(canvas, (0.32, 0.42), (0.5, 0.65)))
    neck = torch.minimum(canvas.uniform(0.25, 0.4) - (x - 0.25 - 0.2 * y).abs(), y)
    nose = _ellipse(x, y, at=(-0.75, 0.3), r=_size(canvas, (0.1, 0.16), (0.1, 0.14)))
    head = torch.maximum(torch.maximum(top, jaw + 2 * bumps), torch.maximum(neck, nose))
    brain = torch.minimum(top - canvas.uniform(0.07, 0.13), 0.12 - y - 0.1 * x)
    behind = _ellipse(x, y, at=(0.38, 0.2), r=_size(canvas, (0.2, 0.28), (0.15, 0.22)))
    stalk = torch.minimum(0.09 - (x - 0.1 - 0.25 * y).abs(), (y + 0.05) * (1 - y))
    brain = torch.maximum(brain, torch.maximum(behind, stalk))
    arc = ((x / 1.5).square() + (y + 0.12).square() + 1e-9).sqrt()
    under = torch.minimum(canvas.uniform(0.01, 0.05) - (arc - 0.17).abs(), -0.1 - y)
    callosum = torch.minimum(0.05 - (arc - 0.26).abs(), -0.06 - y)
    eyes = _ellipse(x, y, at=(-0.6, 0.1), r=_size(canvas, (0.08, 0.12), (0.08, 0.12)))
    return Anatomy(head, brain, under, -callosum - 0.5, behind, eyes - canvas.chance(0.7))


def _framed(canvas: Canvas, layers: Tensor) -> Tensor:
    """Turn, stretch and crop layers (N, C, S, S): from wide black borders to a tight view."""
    turn = canvas.uniform(-0.25, 0.25) * canvas.chance(0.7)
    show = canvas.log_uniform(0.6, 1.35)
    stretch = canvas.uniform(0.88, 1.12)
    cos, sin = turn.cos() * show, turn.sin() * show
    shift = canvas.uniform(-0.12, 0.12, 2)
    zoomed = (
        (1 - show).clamp(min=0)[:, :, 0, 0]
        * canvas.uniform(-1, 1, 2)
        * canvas.chance(0.5).view(-1, 1)
    )
    rows = torch.stack(
        [
            torch.stack([(cos * stretch).flatten(), -sin.flatten(), (shift + zoomed)[:, 0]], 1),
            torch.stack([sin.flatten(), (cos / stretch).flatten(), (shift + zoomed)[:, 1]], 1),
        ],
        1,
    )
    grid = affine_grid(rows, list(layers.shape), align_corners=False)
    return grid_sample(layers, grid, align_corners=False, padding_mode="zeros")


def _overlay(canvas: Canvas, image: Tensor) -> Tensor:
    """Text and a ruler that scanners write into dark borders, (N, 1, S, S)."""
    x, y = canvas.x, canvas.y
    rate = canvas.uniform(2, 5)
    corner = (
        (x * canvas.uniform(-1, 1).sign() > -0.1)
        & (x.abs() > canvas.uniform(0.4, 0.8))
        & (y.abs() > canvas.uniform(0.75, 0.95))
    ).float()
    text = marks(canvas, (x + 1) * rate, (y + 1) * rate) * corner * canvas.chance(0.25)
    edge = (x * torch.where(canvas.chance(0.5) > 0, 1.0, -1.0) - 0.92).abs() < 0.03
    tick = (y * canvas.uniform(10, 25)).frac().abs() < 0.15
    ruler = (edge & tick & (y.abs() < 0.5)).float() * canvas.chance(0.2)
    return torch.maximum(text, ruler) * (image < 0.1) * canvas.uniform(0.4, 1)


def _paged(canvas: Canvas, image: Tensor, brain: Tensor) -> Tensor:
    """Some slices are pictures of a page or a screen: a white or grey frame around them."""
    across = canvas.x.abs() - canvas.uniform(0.75, 1.05)
    frame = torch.maximum(across, canvas.y.abs() - canvas.uniform(0.75, 1.05))
    frame = canvas.soft(frame) * canvas.chance(0.1) * (1 - brain)
    return mix(image, canvas.uniform(0.3, 1), frame)
