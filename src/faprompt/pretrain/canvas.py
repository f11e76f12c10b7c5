"""The random numbers, coordinates and noise fields that scenes and defects are drawn with.

Shapes: N images, S side in pixels, G cells along a side.
"""

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate, pad

from faprompt.pretrain.photos import PhotoBank

PROFILE_LENGTH = 256


@dataclass(slots=True)
class Scene:
    """Clean pictures, before the camera; all values in [0, 1]."""

    image: Tensor
    """(N, 3, S, S)."""
    foreground: Tensor
    """(N, 1, S, S): 1 where the thing is that can be damaged."""
    background: Tensor
    """(N, 3, S, S): what would be seen if the thing were not there."""
    part: Tensor | None = None
    """(N, 1, S, S): one part of many, which can be missing; None if there is none."""
    zones: "Zones | None" = None
    """Two finishes side by side; None if there is but one."""


@dataclass(slots=True)
class Zones:
    """Two finishes of one piece and the border between them."""

    near: Tensor
    """(N, 3, S, S): the picture if all of it were finished in the first way."""
    far: Tensor
    """(N, 3, S, S): in the other."""
    beyond: Tensor
    """(N, 1, S, S): distance to the border in coordinates, positive in the other finish."""
    width: Tensor
    """(N, 1, 1, 1): pixels over which one goes over into the other."""


class Canvas:
    """N square pictures in the making; all randomness comes from one generator."""

    def __init__(
        self, count: int, size: int, generator: torch.Generator, photos: PhotoBank | None = None
    ) -> None:
        self.count, self.size, self.generator, self.photos = count, size, generator, photos
        self.device = generator.device
        line = (torch.arange(size, device=self.device) + 0.5) * (2 / size) - 1
        self.x = line.view(1, 1, 1, size)
        self.y = line.view(1, 1, size, 1)
        self.pixel: float | Tensor = 2 / size
        """Side of a pixel in the coordinates of ``x`` and ``y``, which run from -1 to 1."""
        self.origin: tuple[float | Tensor, float | Tensor] = (0.0, 0.0)
        """Where ``x`` and ``y`` are 0, in coordinates of the whole picture."""
        self.unit: float | Tensor = 1.0
        """What is 1 in ``x`` and ``y``, in coordinates of the whole picture."""

    def zoomed(self, thing: Tensor) -> "Canvas":
        """The same canvas in the coordinates of a thing (N, 1, S, S): middle 0, radius 1.

        What is drawn with it is as large for the thing as it would be for the whole picture.
        """
        area = thing.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1)
        x = (thing * self.x).sum(dim=(1, 2, 3), keepdim=True) / area
        y = (thing * self.y).sum(dim=(1, 2, 3), keepdim=True) / area
        near = copy.copy(self)
        near.unit = (area / math.pi).sqrt() * self.pixel
        near.origin = (x, y)
        near.x, near.y = (self.x - x) / near.unit, (self.y - y) / near.unit
        near.pixel = self.pixel / near.unit
        return near

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Uniform numbers, by default one per picture as (N, 1, 1, 1)."""
        size = (self.count, *(shape or (1, 1, 1)))
        number = torch.rand(size, generator=self.generator, device=self.device)
        return low + (high - low) * number

    def log_uniform(self, low: float, high: float) -> Tensor:
        """Numbers (N, 1, 1, 1) uniform in their logarithm."""
        return self.uniform(math.log(low), math.log(high)).exp()

    def chance(self, probability: float) -> Tensor:
        """1 with a probability, else 0: (N, 1, 1, 1)."""
        return (self.uniform(0, 1) < probability).float()

    def colour(self, saturation: float = 0.5, low: float = 0.1, high: float = 0.95) -> Tensor:
        """Random colours (N, 3, 1, 1), grey ones among them."""
        tint = self.uniform(-1, 1, 3, 1, 1)
        tint = tint * self.uniform(0, saturation) * self.chance(0.75)
        value = self.uniform(low, high)
        return (value + value * (tint - tint.mean(dim=1, keepdim=True))).clamp(0, 1)

    def angle(self) -> Tensor:
        """Random directions (N, 1, 1, 1) in radians."""
        return self.uniform(0, 2 * math.pi)

    def rotated(
        self, angle: Tensor, x: Tensor | None = None, y: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Coordinates along and across a direction, (N, 1, S, S) each."""
        x, y = (self.x if x is None else x), (self.y if y is None else y)
        cos, sin = angle.cos(), angle.sin()
        return x * cos + y * sin, y * cos - x * sin

    def wobbled(self, amount: Tensor | float, slope: float = 1.6) -> tuple[Tensor, Tensor]:
        """Coordinates bent by smooth noise, (N, 1, S, S) each."""
        bend = self.fractal(slope, slope, channels=2) * amount
        return self.x + bend[:, :1], self.y + bend[:, 1:]

    def fractal(
        self,
        low: float,
        high: float,
        *,
        stretch: Tensor | float = 1.0,
        angle: Tensor | None = None,
        coarsest: Tensor | float = 1.0,
        channels: int = 1,
    ) -> Tensor:
        """Noise with amplitude 1 / frequency ** slope, slope between ``low`` and ``high``.

        Args:
            low: Smallest slope; 0 is white noise, 2 is smooth clouds.
            high: Largest slope.
            stretch: More than 1 draws the grain out along ``angle``.
            angle: Direction of the grain, (N, 1, 1, 1).
            coarsest: Lowest frequency in cycles per picture; below it the spectrum is flat.
            channels: Independent fields per picture.

        Returns:
            (N, channels, S, S) of mean 0 and standard deviation 1.
        """
        side, device = self.size, self.device
        fy = torch.fft.fftfreq(side, 1 / side, device=device).view(1, 1, side, 1)
        fx = torch.fft.rfftfreq(side, 1 / side, device=device).view(1, 1, 1, -1)
        if angle is not None:
            fx, fy = self.rotated(angle, fx, fy)
        power = (fx * stretch).square() + (fy / stretch).square()
        slope = self.uniform(low, high)
        amplitude = torch.maximum(power, torch.as_tensor(coarsest, device=device).square())
        amplitude = amplitude.pow(-slope / 2)
        shape = (self.count, channels, side, side // 2 + 1)
        white = torch.randn(shape, generator=self.generator, device=device, dtype=torch.complex64)
        spectrum = white * amplitude
        spectrum[..., 0, 0] = 0
        field = torch.fft.irfft2(spectrum, s=(side, side))
        unit: Tensor = field / field.std(dim=(2, 3), keepdim=True).clamp(min=1e-6)
        return unit

    def clouds(self, low: float, high: float, *, coarsest: Tensor | float = 1.0) -> Tensor:
        """Smooth :meth:`fractal`, drawn at a quarter of the side: cheap, no finest grain."""
        quarter = Canvas(self.count, max(2, self.size // 4), self.generator)
        field = quarter.fractal(low, high, coarsest=coarsest)
        side = (self.size, self.size)
        return interpolate(field, size=side, mode="bicubic", align_corners=False)

    def profile(self, at: Tensor, slope: float) -> Tensor:
        """One random curve per picture, read at positions ``at`` (N, 1, S, S) in [-1, 1]."""
        frequency = torch.arange(1, PROFILE_LENGTH // 2 + 1, device=self.device).float()
        white = torch.randn(
            (self.count, len(frequency)),
            generator=self.generator,
            device=self.device,
            dtype=torch.complex64,
        )
        spectrum = torch.cat([torch.zeros_like(white[:, :1]), white * frequency.pow(-slope)], 1)
        curve = torch.fft.irfft(spectrum, n=PROFILE_LENGTH)
        curve = curve / curve.std(dim=1, keepdim=True)
        grid = torch.stack([at[:, 0], torch.zeros_like(at[:, 0])], dim=-1)  # (N, S, S, 2)
        return grid_sample(curve[:, None, None], grid, align_corners=False, padding_mode="border")

    def cells(
        self, across: Tensor, jitter: float, x: Tensor, y: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Voronoi cells of a jittered grid.

        Args:
            across: Cells along a side, (N, 1, 1, 1).
            jitter: 0 for a square grid, 1 for irregular cells.
            x: Coordinates, (N, 1, S, S).
            y: Coordinates, (N, 1, S, S).

        Returns:
            Distance to the nearest and second nearest centre in units of cells, and a random
            number in [0, 1] per cell; (N, 1, S, S) each.
        """
        own = self.uniform(0, 1, 3, 32 * 32)
        table = [own[:, channel].flatten() for channel in range(3)]  # (N * 1024) each
        u, v = (x + 1) / 2 * across, (y + 1) / 2 * across
        u, v = (part.contiguous() for part in torch.broadcast_tensors(u, v))
        left, top = u.floor(), v.floor()
        start = torch.arange(self.count, device=self.device).view(-1, 1, 1, 1) * 32 * 32
        beside = (-1, 0, 1)
        columns = [(left.int() + d) & 31 for d in beside]
        lines = [((top.int() + d) & 31) * 32 + start.int() for d in beside]
        shift = 0.5 - jitter / 2
        fu, fv = [u - left - d - shift for d in beside], [v - top - d - shift for d in beside]
        first = torch.full_like(u, 81.0)  # distances are compared before their roots are drawn
        second, number = first.clone(), first.clone()
        for line, dv in zip(lines, fv, strict=True):
            for column, du in zip(columns, fu, strict=True):
                index = (line + column).flatten()
                cx, cy, drawn = (channel.index_select(0, index).view_as(u) for channel in table)
                far = (du - jitter * cx).square() + (dv - jitter * cy).square()
                number = torch.where(far < first, drawn, number)
                second = torch.minimum(second, torch.maximum(first, far))
                first = torch.minimum(first, far)
        return first.sqrt(), second.sqrt(), number

    def dots(self, across: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Scattered points, at most one per cell of a grid: cheaper than :meth:`cells`.

        Args:
            across: Cells along a side, (N, 1, 1, 1).
            x: Coordinates, broadcast with ``y`` to (N, 1, S, S).
            y: Coordinates.

        Returns:
            Distance to the point of the own cell in units of cells, true up to 0.3, and a random
            number in [0, 1] per cell; (N, 1, S, S) each.
        """
        own = self.uniform(0, 1, 3, 32 * 32)
        u, v = (x + 1) / 2 * across, (y + 1) / 2 * across
        u, v = torch.broadcast_tensors(u, v)
        left, top = u.floor(), v.floor()
        start = torch.arange(self.count, device=self.device).view(-1, 1, 1, 1) * 32 * 32
        index = (start + (left.long() & 31) + 32 * (top.long() & 31)).flatten()
        cx, cy, number = (
            own[:, channel].flatten().index_select(0, index).view_as(u) for channel in range(3)
        )
        far = (u - left - 0.3 - 0.4 * cx).square() + (v - top - 0.3 - 0.4 * cy).square()
        return far.sqrt(), number

    def soft(self, distance: Tensor, width: Tensor | float = 1.0) -> Tensor:
        """Antialiased mask of ``distance`` > 0, in coordinates; ``width`` in pixels."""
        return (distance / (width * self.pixel) + 0.5).clamp(0, 1)


def mix(low: Tensor, high: Tensor, share: Tensor) -> Tensor:
    """``low`` where ``share`` is 0, ``high`` where it is 1."""
    return low + (high - low) * share


def superellipse(u: Tensor, v: Tensor, power: Tensor, least: float = 1e-6) -> Tensor:
    """Distance from the middle, 1 at the outline: a rhombus at ``power`` 1, an ellipse at 2, a box.

    ``least`` keeps the root of what lies in the middle finite.
    """
    return (u.abs().pow(power) + v.abs().pow(power) + least).pow(1 / power)


def slopes(height: Tensor) -> tuple[Tensor, Tensor]:
    """Rise to the right and downwards of a height in coordinates, (N, 1, S, S); 0 at the border."""
    dx = torch.zeros_like(height)
    dy = torch.zeros_like(height)
    dx[..., 1:-1] = (height[..., 2:] - height[..., :-2]) * (height.shape[-1] / 4)
    dy[..., 1:-1, :] = (height[..., 2:, :] - height[..., :-2, :]) * (height.shape[-1] / 4)
    return dx, dy


def relief(height: Tensor, angle: Tensor) -> Tensor:
    """Light on a height field from a direction: about -1 (away) to 1 (towards), (N, 1, S, S)."""
    dx, dy = slopes(height)
    return -(dx * angle.cos() + dy * angle.sin()).clamp(-3, 3) / 3


def blurred(image: Tensor, radius: int) -> Tensor:
    """Blur (N, C, S, S) by about ``radius`` pixels, cheaply: shrink, smooth, enlarge."""
    side = image.shape[-1]
    if radius < 2:
        return _smoothed(image)
    small = interpolate(image, size=(max(2, side // radius),) * 2, mode="area")
    return interpolate(_smoothed(small), size=(side, side), mode="bilinear", align_corners=False)


def _smoothed(image: Tensor) -> Tensor:
    """Binomial 3 x 3 smoothing with replicated borders."""
    wide = pad(image, (1, 1, 0, 0), mode="replicate")
    image = (wide[..., :-2] + wide[..., 2:]) / 4 + wide[..., 1:-1] / 2
    tall = pad(image, (0, 0, 1, 1), mode="replicate")
    return (tall[..., :-2, :] + tall[..., 2:, :]) / 4 + tall[..., 1:-1, :] / 2
