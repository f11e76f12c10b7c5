"""The renderer: scenes, one defect each, the same scene without it, exact masks.

Shapes: N scenes, S side in pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from faprompt.errors import ConfigError
from faprompt.pretrain import (
    ailments,
    assemblies,
    bodies,
    defects,
    faults,
    gloss,
    growths,
    keepsakes,
    made,
    metals,
    singles,
    slices,
    textures,
    things,
    tissue,
    wear,
)
from faprompt.pretrain.camera import Camera, decorate
from faprompt.pretrain.canvas import Canvas, Scene, blurred, mix
from faprompt.pretrain.kinds import (
    DEFECT_KINDS,
    SCENE_KINDS,
    DefectKind,
    SceneKind,
    Split,
    defects_of,
    scenes_of,
)
from faprompt.pretrain.photos import PhotoBank

RENDERER_VERSION = 10
"""Raised whenever the same seed gives other pictures."""

LEAST_CHANGE = 0.04
"""Mean change within the mask of a bright picture below which a defect cannot be seen."""

FADE = 48
"""A soft outline may go on beyond the mask for a 48th of the side, and as much again to fade."""

SECOND_SHARE = 0.35
"""Scenes that have the defect at two places."""

_ONCE = {"displaced", "missing", "asymmetry", "bite"}
"""What changes the outline of things, so that a second one would not fit."""

_BESIDE = {"foreign"}
"""What happens beside single things; all else happens to one of them."""

LEAST_PIXELS = 6
"""Smallest mask in pixels."""

_ROOMS = (
    textures,
    things,
    bodies,
    slices,
    tissue,
    metals,
    gloss,
    assemblies,
    singles,
    made,
    keepsakes,
)
_DAMAGE = (defects, faults, growths, wear, ailments)
SCENES: dict[str, Callable[[Canvas], Scene]] = {
    kind.name: next(getattr(room, kind.name) for room in _ROOMS if hasattr(room, kind.name))
    for kind in SCENE_KINDS
}
DEFECTS: dict[str, Callable[[Canvas, Scene], defects.Damage]] = {
    kind.name: next(getattr(room, kind.name) for room in _DAMAGE if hasattr(room, kind.name))
    for kind in DEFECT_KINDS
}


@dataclass(frozen=True, slots=True)
class Rendered:
    """N scenes with a defect and their twins without it."""

    damaged: Tensor
    """(N, 3, S, S) in [0, 1]."""
    clean: Tensor
    """(N, 3, S, S) in [0, 1]: the same scene and camera without the defect."""
    mask: Tensor
    """(N, 1, S, S): 1 on the defect; all 0 where the drawn defect could not be seen."""
    scenes: tuple[SceneKind, ...]
    defects: tuple[DefectKind, ...]

    @property
    def visible(self) -> Tensor:
        """Whether the damaged picture shows a defect at all, (N,) bool."""
        return self.mask.flatten(1).amax(dim=1) > 0

    def at(self, index: Tensor) -> "Rendered":
        """The scenes of an index (M,), in its order."""
        there = index.to(self.mask.device)
        return Rendered(
            self.damaged[there],
            self.clean[there],
            self.mask[there],
            tuple(self.scenes[i] for i in index.tolist()),
            tuple(self.defects[i] for i in index.tolist()),
        )


class Renderer:
    """Draws scenes of one split, each batch from its own seed.

    Args:
        split: Which scene kinds.
        photos: Photographs; without them the ``photo_`` kinds are left out.
        device: Where to draw. The same seed gives the same pictures on the same device.
        kind: Only this kind of scene.
        defect: Only this kind of defect, on the scenes that can have it.

    Raises:
        ConfigError: ``kind`` does not belong to the split, or needs photographs; or no scene can
            have ``defect``.
    """

    def __init__(
        self,
        split: Split,
        *,
        photos: PhotoBank | None = None,
        device: str | torch.device = "cpu",
        kind: str | None = None,
        defect: str | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.photos = photos.to(self.device) if photos is not None else None
        known = scenes_of(split, photos=photos is not None)
        self.kinds = tuple(k for k in known if kind in (None, k.name))
        if not self.kinds:
            names = ", ".join(k.name for k in known)
            raise ConfigError(f"no kind {kind!r} of scenes in the split {split}; there are {names}")
        self.defect = defect
        self.kinds = tuple(k for k in self.kinds if self._defects(k))
        if not self.kinds:
            raise ConfigError(f"no scene that is asked for can have a defect {defect!r}")

    def render(self, seed: int, count: int, size: int, *, per_kind: int = 2) -> Rendered:
        """Draw ``count`` scenes and their twins.

        Args:
            seed: Everything random follows from it.
            count: N, scenes.
            size: S, side in pixels; a multiple of 8.
            per_kind: Scenes that share a kind and a defect kind; they are drawn together.

        Raises:
            ConfigError: ``size`` is not a multiple of 8, or a number is not positive.
        """
        if size % 8 or min(size, count, per_kind) < 1:
            raise ConfigError(
                f"cannot render {count} scenes of {size} pixels, {per_kind} per kind: the size "
                "must be a multiple of 8 and all three positive"
            )
        generator = torch.Generator(self.device).manual_seed(seed)
        weights = torch.tensor([kind.weight for kind in self.kinds])
        groups = -(-count // per_kind)
        choice = torch.Generator().manual_seed(seed)
        chosen = torch.multinomial(weights, groups, replacement=True, generator=choice)
        pieces, left = [], count
        for index in chosen.tolist():
            kind = self.kinds[index]
            possible = self._defects(kind)
            chances = torch.tensor([defect.weight for defect in possible])
            pick = int(torch.multinomial(chances, 1, generator=choice))
            number = min(per_kind, left)
            canvas = Canvas(number, size, generator, self.photos)
            pieces.append(self._group(canvas, kind, possible[pick]))
            left -= number
        return _joined(pieces)

    def _defects(self, kind: SceneKind) -> tuple[DefectKind, ...]:
        """Defects that a kind of scene can have here."""
        return tuple(d for d in defects_of(kind.family) if self.defect in (None, d.name))

    def render_kind(self, seed: int, count: int, size: int, *, scene: str, defect: str) -> Rendered:
        """Draw ``count`` scenes of one kind with one kind of defect, of any split.

        Raises:
            ConfigError: a name is not known.
        """
        scenes = {kind.name: kind for kind in SCENE_KINDS}
        kinds = {kind.name: kind for kind in DEFECT_KINDS}
        if scene not in scenes or defect not in kinds:
            raise ConfigError(f"cannot render {defect!r} on {scene!r}: no such kind")
        generator = torch.Generator(self.device).manual_seed(seed)
        canvas = Canvas(count, size, generator, self.photos)
        return self._group(canvas, scenes[scene], kinds[defect])

    def _group(
        self,
        canvas: Canvas,
        kind: SceneKind,
        defect: DefectKind,
    ) -> Rendered:
        scene = SCENES[kind.name](canvas)
        if kind.family in {"surface", "photo"}:
            scene = decorate(canvas, scene)
        place = canvas
        if kind.family == "single" and defect.name not in _BESIDE:
            assert scene.part is not None, "single things say which one is damaged"
            place = canvas.zoomed(scene.part)
            scene = replace(scene, foreground=scene.part, part=None)
        damaged, soft = DEFECTS[defect.name](place, scene)
        # Where there is one, there is often another.
        twice = canvas.chance(0 if defect.name in _ONCE else SECOND_SHARE)
        if bool(twice.any()):
            again, more = DEFECTS[defect.name](place, replace(scene, image=damaged.clamp(0, 1)))
            damaged, soft = mix(damaged, again, twice), torch.maximum(soft, more * twice)
        change = (damaged.clamp(0, 1) - scene.image).abs().mean(dim=1, keepdim=True)
        # In the dark less is seen: the eye, and the stem of the tower, go by ratios.
        least = LEAST_CHANGE * (_level(scene) + 0.25).clamp(max=1)
        # A shift or a patch may leave plain places as they were: those are no defect.
        touched = blurred(change, max(2, canvas.size // 48)) > least / 4
        mask = ((soft > 0.25) & touched).float()
        change = change * mask
        area = mask.sum(dim=(1, 2, 3), keepdim=True)
        strength = change.sum(dim=(1, 2, 3), keepdim=True) / area.clamp(min=1)
        seen = ((strength > least) & (area >= LEAST_PIXELS)).float()
        damaged = scene.image + (damaged.clamp(0, 1) - scene.image) * seen * _faded(mask)
        camera = Camera(canvas, kind.family)
        return Rendered(
            camera.shoot(damaged),
            camera.shoot(scene.image),
            mask * seen,
            (kind,) * canvas.count,
            (defect,) * canvas.count,
        )


def _joined(pieces: list[Rendered]) -> Rendered:
    """Put groups one after another."""
    return Rendered(
        torch.cat([piece.damaged for piece in pieces]),
        torch.cat([piece.clean for piece in pieces]),
        torch.cat([piece.mask for piece in pieces]),
        tuple(kind for piece in pieces for kind in piece.scenes),
        tuple(kind for piece in pieces for kind in piece.defects),
    )


def _level(scene: Scene) -> Tensor:
    """Mean of the picture where it can be damaged, (N, 1, 1, 1)."""
    grey = scene.image.mean(dim=1, keepdim=True) * scene.foreground
    area = scene.foreground.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1)
    return grey.sum(dim=(1, 2, 3), keepdim=True) / area


def _faded(mask: Tensor) -> Tensor:
    """1 on a mask (N, 1, S, S), falling to exactly 0 within :func:`fade_reach` pixels."""
    reach = max(2, mask.shape[-1] // FADE)
    wide, side = 2 * reach + 1, mask  # a square is grown in two passes, which is the same
    for kernel, padding in (((wide, 1), (reach, 0)), ((1, wide), (0, reach))):
        side = max_pool2d(side, kernel, stride=1, padding=padding)
    return blurred(side, reach)


def fade_reach(size: int) -> int:
    """Most pixels beyond its mask that a defect changes, before the camera."""
    return 4 * max(2, size // FADE)
