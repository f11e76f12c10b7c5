"""What happens to every picture, damaged or not: print, borders, light, lens, sensor, file.

None of it is a defect. Shapes: N pictures, S side.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from faprompt.pretrain.canvas import Canvas, Scene, blurred, mix
from faprompt.pretrain.composing import marks
from faprompt.pretrain.kinds import Family


def decorate(canvas: Canvas, scene: Scene) -> Scene:
    """Add to a clean surface what belongs there: print, a border to another material, a seam."""
    image = scene.image
    u, v = canvas.rotated(canvas.angle(), canvas.x, canvas.y)
    text = marks(canvas, u * 1.5, v * 1.5) * canvas.soft(0.35 - u.abs())
    text = text * canvas.soft(canvas.uniform(0.05, 0.25) - v.abs()) * canvas.chance(0.10)
    image = mix(image, canvas.colour(0.9), text * canvas.uniform(0.5, 1))
    beyond = canvas.soft(v - canvas.uniform(0.2, 0.9)) * canvas.chance(0.12)
    other = canvas.colour(0.7) * (1 + 0.03 * canvas.fractal(0.5, 2))
    image = mix(image, other.clamp(0, 1), beyond)
    seam = canvas.soft(0.012 - (u - canvas.uniform(-0.8, 0.8)).abs()) * canvas.chance(0.07)
    image = image * (1 - seam * canvas.uniform(0.2, 0.6))
    image = _studded(canvas, image)
    return Scene(image, scene.foreground, scene.background, scene.part)


def _studded(canvas: Canvas, image: Tensor) -> Tensor:
    """On some, dots, dashes, rings or holes all over: what comes again and again belongs there."""
    u, v = canvas.rotated(canvas.angle())
    across, shift = canvas.log_uniform(2, 12), canvas.chance(0.5) * 0.5
    line = v * across
    column = u * across * canvas.log_uniform(0.6, 1.6) + shift * (line.floor() % 2)
    du, dv = column - column.floor() - 0.5, line - line.floor() - 0.5
    long = canvas.log_uniform(1, 5)
    far = ((du / long.sqrt()).square() + (dv * long.sqrt()).square() + 1e-6).sqrt()
    size = canvas.log_uniform(0.06, 0.3)
    stud = ((size - far) * canvas.log_uniform(8, 60)).sigmoid()
    ring = (-((far - size) * canvas.uniform(8, 25)).square()).exp()
    stud = mix(stud, ring, canvas.chance(0.25))
    tone = canvas.uniform(0.2, 0.9) * torch.where(canvas.chance(0.35) > 0, -0.7, 1.0)
    painted = mix(image, canvas.colour(0.9), canvas.uniform(0.3, 1))
    changed = mix(image * (1 - tone), painted, canvas.chance(0.3))
    return mix(image, changed, stud * canvas.chance(0.12)).clamp(0, 1)


LENS_REACH = 7
"""Pixels by which lens and enlarging spread a change; compression spreads it within its block."""

_GREY = {"wet": 0.05, "metal": 0.6}
"""Share of cameras without colour, by family of scenes."""


class Camera:
    """One shot for each picture of a canvas: drawn once, then the same for both twins.

    A scan has no lamp and no colours; in the body there is no other light that could cast shadows.
    """

    def __init__(self, canvas: Canvas, family: Family = "surface") -> None:
        self.size = canvas.size
        slope = (canvas.x * canvas.uniform(-1, 1) + canvas.y * canvas.uniform(-1, 1)) * 0.25
        fall = (canvas.x.square() + canvas.y.square()) * canvas.uniform(0, 0.25)
        spot_x, spot_y = canvas.uniform(-1, 1), canvas.uniform(-1, 1)
        far = ((canvas.x - spot_x).square() + (canvas.y - spot_y).square()).sqrt()
        glare = (-(far / canvas.uniform(0.2, 0.8)).square()).exp() * canvas.uniform(0, 0.35)
        shade = canvas.soft(canvas.rotated(canvas.angle())[1] - canvas.uniform(0, 0.9), 12)
        shadow = 1 - shade * canvas.uniform(0.1, 0.5) * canvas.chance(
            0 if family == "wet" else 0.12
        )
        self.light = (1 + slope * canvas.chance(0.6) - fall * canvas.chance(0.5)) * shadow
        self.glare = glare * canvas.chance(0.25)
        self.gain = canvas.uniform(0.75, 1.2)
        self.gamma = canvas.log_uniform(0.75, 1.35)
        self.tint = 1 + canvas.uniform(-0.15, 0.15, 3, 1, 1) * canvas.chance(0.4)
        self.sharp = canvas.uniform(0.3, 1.5) * canvas.chance(0.2)  # many cameras overdo it
        self.wave, self.phase = canvas.uniform(0.5, 1.5) * math.pi, canvas.angle()
        self.bent = canvas.uniform(0.2, 0.9) * canvas.chance(0.2)
        self.negative = canvas.chance(0.04)
        self.grey = canvas.chance(_GREY.get(family, 0.2))
        self.soft = canvas.uniform(0, 0.9) * canvas.chance(0.5)
        self.coarse = canvas.uniform(0.3, 1) * canvas.chance(0.25)  # enlarged from half the side
        self.low, self.width = torch.zeros_like(self.gain), torch.ones_like(self.gain)
        noise = torch.randn(
            (canvas.count, 3, canvas.size, canvas.size),
            generator=canvas.generator,
            device=canvas.device,
        )
        self.noise = noise * canvas.uniform(0, 0.03) * canvas.chance(0.6)
        self.quality = canvas.uniform(0.02, 0.12)
        self.compressed = canvas.chance(0.3)
        if family == "scan":
            self._scanner(canvas)

    def _scanner(self, canvas: Canvas) -> None:
        """A coil's uneven gain and a window of grey levels in place of lamp and shadow."""
        self.light = 1 + (self.light - 1) * canvas.chance(0.4) * 0.5
        self.glare = torch.zeros_like(self.glare)
        self.gain = torch.ones_like(self.gain)
        self.low = canvas.uniform(0, 0.2) * canvas.chance(0.5)
        self.width = canvas.uniform(0.5, 1.1) - self.low
        self.grey = torch.ones_like(self.grey)
        self.negative = torch.zeros_like(self.negative)
        self.noise = self.noise[:, :1].expand(-1, 3, -1, -1)

    def shoot(self, image: Tensor) -> Tensor:
        """Pictures (N, 3, S, S) as a camera stores them, in [0, 1]."""
        image = mix(image.clamp(0, 1), blurred(image.clamp(0, 1), 1), self.soft)
        if bool(self.coarse.any()):
            image = mix(image, blurred(image, 2), self.coarse)
        image = (image * self.light * self.gain - self.low) / self.width
        image = mix(image, torch.ones_like(image), self.glare)
        image = (image * self.tint).clamp(1e-4, 1).pow(self.gamma)
        image = image + self.sharp * (image - blurred(image, 1))
        image = developed(image.clamp(0, 1), self.bent, self.wave, self.phase)
        image = mix(image, 1 - image, self.negative)
        image = mix(image, image.mean(dim=1, keepdim=True), self.grey)
        image = (image + self.noise).clamp(0, 1)
        chosen = self.compressed.flatten() > 0
        if bool(chosen.any()):
            image[chosen] = compress(image[chosen], self.quality[chosen])
        return (image * 255).round() / 255


def developed(image: Tensor, bent: Tensor, wave: Tensor, phase: Tensor) -> Tensor:
    """Tones in [0, 1] as some chain of tools bends them: 0 and 1 stay, between them they rise.

    Args:
        image: (N, 3, S, S).
        bent: How much, 0 to below 1; like the others (N, 1, 1, 1).
        wave: How often, in radians from black to white.
        phase: Where the bends are, radians.
    """
    low = bent * phase.sin() / wave
    high = 1 + bent * (wave + phase).sin() / wave
    return (image + bent * (image * wave + phase).sin() / wave - low) / (high - low)


def compress(image: Tensor, step: Tensor) -> Tensor:
    """Round the 8 x 8 cosine coefficients as JPEG does; (N, 3, S, S), S a multiple of 8."""
    n, c, side, _ = image.shape
    basis = _cosines(image.device)
    blocks = image.reshape(n, c, side // 8, 8, side // 8, 8).transpose(3, 4)
    spectrum = basis @ blocks @ basis.T
    order = torch.arange(8, device=image.device)
    table = (1 + order[:, None] + order[None]) * step.view(-1, 1, 1, 1, 1, 1) * 0.5
    blocks = basis.T @ ((spectrum / table).round() * table) @ basis
    return blocks.transpose(3, 4).reshape(n, c, side, side).clamp(0, 1)


def _cosines(device: torch.device) -> Tensor:
    """Orthonormal 8-point cosine transform, (8, 8)."""
    k = torch.arange(8, device=device).float()
    basis = ((2 * k[None] + 1) * k[:, None] * math.pi / 16).cos() / 2
    basis[0] /= math.sqrt(2)
    return basis


def shrink(mask: Tensor, side: int) -> Tensor:
    """Share of every patch that a mask (N, 1, S, S) covers, (N, side, side)."""
    return interpolate(mask, size=(side, side), mode="area")[:, 0]
