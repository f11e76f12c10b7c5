"""Photographs held in memory as one tensor, for backgrounds, surfaces and objects.

Shapes: P photographs, N pictures asked for, S side in pixels.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from faprompt.data.images import opened
from faprompt.errors import DataError

log = logging.getLogger(__name__)

BANK_SIZE = 320
NEAREST = 0.25
"""Smallest share of a photograph's side that a crop shows."""
STRETCH = 0.2
"""Largest logarithm of a crop's stretch to one side."""
GROUPS = ("material", "object", "scene", "medical")
SUFFIXES = {".jpg", ".jpeg", ".png"}


@dataclass(frozen=True, slots=True)
class PhotoBank:
    """Square photographs, grouped by what they show."""

    pixels: Tensor
    """(P, 3, BANK_SIZE, BANK_SIZE) uint8."""
    groups: dict[str, Tensor]
    """Group name to indices (int64)."""
    names: tuple[str, ...]
    """File names relative to the folder, in the order of ``pixels``."""

    def to(self, device: torch.device) -> "PhotoBank":
        """Return the bank with its tensors on ``device``."""
        groups = {name: index.to(device) for name, index in self.groups.items()}
        return PhotoBank(self.pixels.to(device), groups, self.names)

    def part(self, *, heldout: bool) -> "PhotoBank":
        """Every tenth photograph of each group, or all the others."""
        groups = {
            name: index[(torch.arange(len(index), device=index.device) % 10 == 0) == heldout]
            for name, index in self.groups.items()
        }
        return PhotoBank(self.pixels, groups, self.names)

    def crops(
        self,
        count: int,
        size: int,
        generator: torch.Generator,
        groups: tuple[str, ...],
        *,
        widest: float = 1.0,
    ) -> Tensor:
        """Random crops (N, 3, S, S) in [0, 1], turned, mirrored, stretched, zoomed.

        ``widest`` is the largest share of a side that is shown; beyond 1 the photograph goes on
        mirrored, which suits materials.
        """
        device = generator.device
        index = torch.cat([self.groups[name] for name in groups if name in self.groups])
        pick = torch.randint(len(index), (count,), generator=generator, device=device)
        chosen = self.pixels[index[pick]].float() / 255
        number = torch.rand((count, 5), generator=generator, device=device)
        zoom = NEAREST + (widest - NEAREST) * number[:, 0]  # share of the side that is shown
        lean = 0.4 if widest <= 1 else torch.pi / 2  # materials lie any way
        turn = (number[:, 1] * 4).floor() * (torch.pi / 2) + (number[:, 2] - 0.5) * lean
        zoom = zoom / (1 + 0.35 * (2 * number[:, 2] - 1).abs())  # a turned crop needs a margin
        mirror = torch.where(number[:, 3] < 0.5, 1.0, -1.0)
        room = (1 - zoom).unsqueeze(1)
        shift = (2 * torch.rand((count, 2), generator=generator, device=device) - 1) * room
        cos, sin = turn.cos() * zoom, turn.sin() * zoom
        wide = (STRETCH * (2 * number[:, 4] - 1)).exp()
        rows = [torch.stack([cos * mirror * wide, -sin / wide, shift[:, 0]], 1)]
        rows.append(torch.stack([sin * mirror * wide, cos / wide, shift[:, 1]], 1))
        grid = affine_grid(torch.stack(rows, 1), [count, 3, size, size], align_corners=False)
        return grid_sample(chosen, grid, align_corners=False, padding_mode="reflection").clamp(0, 1)


def load_photos(folder: Path) -> PhotoBank:
    """Read every photograph below ``folder``, grouped by its sub-folder.

    Unreadable files are logged and left out.

    Raises:
        DataError: the folder has no photograph.
    """
    pixels: list[Tensor] = []
    names: list[str] = []
    members: dict[str, list[int]] = {}
    for group in GROUPS:
        for path in sorted((folder / group).glob("*")):
            if path.suffix.lower() not in SUFFIXES:
                continue
            try:
                with opened(path) as image:
                    square = image.convert("RGB").resize(
                        (BANK_SIZE, BANK_SIZE), Image.Resampling.BICUBIC
                    )
            except DataError as error:
                log.warning("left out: %s", error)
                continue
            members.setdefault(group, []).append(len(names))
            pixels.append(torch.from_numpy(np.array(square)).permute(2, 0, 1))
            names.append(f"{group}/{path.name}")
    if not names:
        raise DataError(
            f"{folder}: no photographs; needed are JPEG or PNG files in sub-folders named "
            f"{', '.join(GROUPS)}"
        )
    groups = {name: torch.tensor(index) for name, index in members.items()}
    return PhotoBank(torch.stack(pixels).contiguous(), groups, tuple(names))
