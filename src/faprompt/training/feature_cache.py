"""Frozen image features, computed once and kept on disk.

One safetensors file per image, memory-mapped when read; its folder is keyed by what else decides
the features: backbone checksum, input size, precision, kind of device, and what is read of the
tower. Files are named by the image's content, so that moved, renamed or shared images are found
again, and appear whole or not at all, so that an interrupted run loses nothing but the image it
was at.

Shapes: L patches, D joint width, N blocks (where a method reads several).
"""

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from faprompt.clip.compute import moved, precision_name
from faprompt.clip.formats import UNREADABLE
from faprompt.clip.image_encoder import DEFAULT_READING, Reading
from faprompt.clip.weights import Backbone
from faprompt.data.hashing import content_hash
from faprompt.data.images import open_image
from faprompt.data.loading import in_groups, map_ordered
from faprompt.data.transforms import preprocess
from faprompt.errors import FAPromptError, NumericError
from faprompt.files import sweep, write_tensors

_logger = logging.getLogger(__name__)

CACHE_VERSION = 1  # part of the key: raised when preprocessing or the local path changes
COMPUTE_BATCH = 8
ABANDONED = 3600.0
"""Seconds after which half a file is nobody's: several runs may fill one cache."""


@dataclass(frozen=True, slots=True)
class Features:
    """Frozen features of one image (or a batch of them, with a leading dimension)."""

    image: Tensor
    """(D,)."""
    patches: Tensor
    """(L, D), or (N, L, D) of several blocks."""


def stack(features: Sequence[Features]) -> Features:
    """Features of single images as a batch: a leading dimension for both."""
    return Features(
        torch.stack([f.image for f in features]), torch.stack([f.patches for f in features])
    )


def default_cache_root() -> Path:
    """``$FAPROMPT_CACHE``, else the user's cache folder."""
    base = os.environ.get("FAPROMPT_CACHE")
    if base:
        return Path(base)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "faprompt" / "features"


class ImageTower:
    """Computes frozen features of image files."""

    def __init__(
        self, backbone: Backbone, input_size: int, reading: Reading = DEFAULT_READING
    ) -> None:
        self.backbone = backbone
        self.input_size = input_size
        self.reading = reading

    def read(self, path: Path) -> Tensor:
        """Normalised pixels (3, S, S) of one file."""
        spec = self.backbone.spec
        image = open_image(path)
        return preprocess(image, size=self.input_size, mean=spec.mean, std=spec.std)

    def compute(self, images: Tensor) -> list[Features]:
        """Features of normalised pixels (B, 3, S, S), on the CPU in the towers' precision."""
        return [f for group in images.split(COMPUTE_BATCH) for f in self._compute(group)]

    def _compute(self, images: Tensor) -> list[Features]:
        """Features of up to ``COMPUTE_BATCH`` images.

        The tower always sees that many: the last bits of a product depend on its size, and
        features shall depend on the image alone, also after an interrupted fill.
        """
        device = self.backbone.clip.logit_scale.device
        missing = COMPUTE_BATCH - len(images)
        full = torch.cat([images, images[-1:].expand(missing, -1, -1, -1)])
        with torch.inference_mode():
            dual = self.backbone.clip.visual.dual(moved(full, device), self.reading.blocks or None)
            image, patches = (features.cpu() for features in self.reading.of(dual))
        return [Features(image[i].clone(), patches[i].clone()) for i in range(len(images))]

    def overflow(self, features: Features, path: Path) -> NumericError | None:
        """The error of an image whose features are not finite; None where they are."""
        if bool(features.image.isfinite().all()) and bool(features.patches.isfinite().all()):
            return None
        precision = precision_name(self.backbone.clip.logit_scale.dtype)
        return NumericError(
            f"{path}: features of {self.backbone.spec.name} are not finite in {precision}; use "
            "--precision fp32, or get the weights again"
        )

    def fits(self, features: Features) -> bool:
        """Whether features have the shapes and the precision that this tower gives."""
        width, dtype = self.backbone.spec.embed_dim, self.backbone.clip.logit_scale.dtype
        blocks = len(self.reading.blocks)
        shapes = (width,), (*((blocks,) if blocks else ()), self._patches, width)
        return (features.image.shape, features.patches.shape) == shapes and (
            features.image.dtype == features.patches.dtype == dtype
        )

    @property
    def bytes_per_image(self) -> int:
        """Size of one image's features."""
        vectors = max(1, len(self.reading.blocks)) * self._patches + 1
        values = vectors * self.backbone.spec.embed_dim
        return values * self.backbone.clip.logit_scale.element_size()

    @property
    def _patches(self) -> int:
        return (self.input_size // self.backbone.spec.patch_size) ** 2

    @property
    def key(self) -> str:
        """Names everything but the image that decides the features."""
        scale = self.backbone.clip.logit_scale
        parts = (CACHE_VERSION, self.backbone.checksum, self.input_size, scale.dtype)
        # FAPrompt's own reading adds nothing, so that what it has cached before is found again.
        read = () if self.reading == DEFAULT_READING else (self.reading,)
        text = "\n".join(map(str, (*parts, scale.device.type, *read)))
        return f"{self.backbone.spec.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


class FeatureCache:
    """Features by image content, on disk."""

    def __init__(self, root: Path, tower: ImageTower) -> None:
        self.folder = root / tower.key
        self.tower = tower

    def file(self, image_hash: str) -> Path:
        """Where the features of an image content lie."""
        return self.folder / image_hash[:2] / f"{image_hash}.safetensors"

    def missing(self, image_hashes: Iterable[str]) -> list[str]:
        """Contents without cached features, each once, in order."""
        return [h for h in dict.fromkeys(image_hashes) if not self.file(h).is_file()]

    def load(self, image_hash: str) -> Features | None:
        """Cached features, memory-mapped; None where they are missing or damaged."""
        try:
            tensors = load_file(self.file(image_hash))
            features = Features(tensors["image"], tensors["patches"])
        except UNREADABLE:
            return None
        return features if self.tower.fits(features) else None

    def store(self, image_hash: str, features: Features) -> None:
        """Write the features of one image, whole or not at all."""
        tensors = {"image": features.image, "patches": features.patches}
        write_tensors(self.file(image_hash), tensors)

    def fill(
        self,
        paths: dict[str, Path],
        *,
        workers: int,
        progress: Callable[[int], None] = lambda _: None,
    ) -> dict[str, FAPromptError]:
        """Compute what is missing; ``paths`` maps contents to files.

        Returns:
            Contents that could not be read or computed, with the reason.
        """
        todo = self.missing(paths)
        if todo:
            sweep(self.folder, older_than=ABANDONED)
        failed: dict[str, FAPromptError] = {}
        reading = map_ordered(lambda h: self.tower.read(paths[h]), todo, workers=workers)
        readable = self._readable(reading, failed)
        for group in in_groups(readable, COMPUTE_BATCH):
            features = self.tower.compute(torch.stack([pixels for _, pixels in group]))
            for (image_hash, _), feature in zip(group, features, strict=True):
                if error := self.tower.overflow(feature, paths[image_hash]):
                    failed[image_hash] = error
                else:
                    self.store(image_hash, feature)
            progress(len(group))
        return failed

    @staticmethod
    def _readable(
        results: Iterator[tuple[str, Tensor | FAPromptError]], failed: dict[str, FAPromptError]
    ) -> Iterator[tuple[str, Tensor]]:
        for image_hash, result in results:
            if isinstance(result, FAPromptError):
                failed[image_hash] = result
            else:
                yield image_hash, result


def hash_files(
    paths: Iterable[Path], *, workers: int
) -> tuple[dict[Path, str], dict[Path, FAPromptError]]:
    """Content hashes of files, and the files that cannot be read with the reason."""
    hashes: dict[Path, str] = {}
    failed: dict[Path, FAPromptError] = {}
    for path, result in map_ordered(content_hash, dict.fromkeys(paths), workers=workers):
        if isinstance(result, FAPromptError):
            failed[path] = result
        else:
            hashes[path] = result
    return hashes, failed
