"""Few-shot evidence: how far each patch is from those of a few good images of the same product.

The zero-shot scores say what looks abnormal in general; a memory of good patches says what is new
for this product (nearest neighbours of patch features, as WinCLIP, arXiv:2303.14814, and APRIL-GAN,
arXiv:2305.17382, do it). Both are averaged: maps with the evidence per patch, image scores with its
maximum. Nothing is trained, and no anomalous image is needed.

Shapes: B images, L patches, D joint width, R reference images, N patches in memory.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize

from faprompt.data.files import images_below
from faprompt.data.hashing import content_hash
from faprompt.data.inputs import to_image
from faprompt.data.samples import Dataset
from faprompt.detection.areas import Areas, counting_patches
from faprompt.detection.labelled import Evaluated
from faprompt.errors import ConfigError, DataError
from faprompt.method import scoring
from faprompt.method.network import Scores

MAX_PATCHES = 1 << 16
"""In memory: 47 images of 37 x 37 patches (201 MB at D = 768), 256 of 16 x 16."""
SMALLEST_DISTANCE = 1e-3
"""Below it, references tell nothing of how good images differ; also keeps 0 / 0 away."""
CROP = 7 / 8
"""Share of the sides that the crops of a lone reference keep."""
AT_ONCE = 1 << 24
"""Similarities computed at once: 64 MB."""


class Encoder(Protocol):
    """What reads images and tells their patch features: a detector."""

    batch_size: int

    @property
    def grid(self) -> int:
        """Patches along a side."""

    def read(self, source: Any) -> tuple[Image.Image, Tensor]:
        """An image (RGB) and its input (3, S, S)."""

    def patch_features(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, L, D), L2-normalised, fp32."""


class Remembers(Protocol):
    """What can be given references: a detector."""

    def with_references(self, sources: Iterable[Any]) -> Evaluated:
        """The same with a memory of good images."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceMemory:
    """Patches of good images, and how far apart good images are."""

    patches: Tensor
    """(N, D), L2-normalised."""
    typical: float
    """Cosine distance that the farthest patch of a good image has to the others, on average."""
    images: int
    """R."""
    digest: str
    """SHA-256 of the pixels of all references, in whatever order."""

    @classmethod
    def of(cls, encoder: Encoder, sources: Iterable[Any], *, areas: Areas | None = None) -> Self:
        """Remember good images.

        How far good images are from each other is measured by leaving out one at a time; with a
        lone image by its four corner crops, which differ less than two images do.

        Args:
            encoder: The detector that the memory is for.
            sources: Images in any form that a detector reads, all of them good.
            areas: What of them counts; should be that of the images to be looked at.

        Raises:
            DataError: there are none, or one cannot be read.
            ConfigError: there are too many.
        """
        images = _read(encoder, sources)
        keeps = [_keep(image, areas, encoder.grid) for image in images]
        features = _encode(encoder, images)
        kept = [patches[keep] for patches, keep in zip(features, keeps, strict=True)]
        crops = _encode(encoder, _crops(images[0])) if len(kept) == 1 else []
        return cls(
            patches=torch.cat(kept),
            typical=max(_farthest(kept, crops), SMALLEST_DISTANCE),
            images=len(images),
            digest=_joined(_digest(image) for image in images),
        )

    def evidence(self, patches: Tensor) -> Tensor:
        """How new each patch is, (B, L) in [0, 1): d / (d + t), d the distance to the nearest one.

        0.5 where a patch is as far as the farthest one of a good image typically is (t). It grows
        with every distance, so that no order is lost.

        Args:
            patches: L2-normalised, (B, L, D).
        """
        distance = distances(patches.flatten(0, 1), self.patches).unflatten(0, patches.shape[:2])
        found: Tensor = distance / (distance + self.typical)
        return found

    def joined(self, scores: Scores, patches: Tensor) -> Scores:
        """Zero-shot scores averaged with the evidence; its maximum is among what counts.

        Args:
            scores: Of B images.
            patches: Their patch features, L2-normalised, (B, L, D).
        """
        evidence = self.evidence(patches)  # (B, L)
        strongest = scoring.counting(evidence, scores.keep).amax(dim=1)  # (B,)
        both = torch.stack([1 - evidence, evidence], dim=-1)  # (B, L, 2)
        return replace(
            scores,
            image_score=(scores.image_score + strongest) / 2,
            first=(scores.first + both) / 2,
            second=(scores.second + both) / 2,
        )


def distances(patches: Tensor, memory: Tensor) -> Tensor:
    """Cosine distance (P,) in [0, 2] of each patch (P, D) to the nearest in memory (N, D).

    Both L2-normalised. In bounded space, whatever their numbers.
    """
    nearest = patches.new_full((len(patches),), -1.0)
    for part in memory.split(max(1, AT_ONCE // max(1, len(patches)))):
        nearest = torch.maximum(nearest, (patches @ part.T).amax(dim=1))
    return (1 - nearest).clamp(min=0)


def reference_images(folder: str | Path) -> list[Path]:
    """The image files in a folder of good images, and in all below it.

    Raises:
        DataError: it is no folder, or holds no images.
    """
    path = Path(folder).expanduser()
    found = list(images_below(path)) if path.is_dir() else []
    if not found:
        raise DataError(f"{folder}: no images there; needed is a folder of a few good images")
    return found


def references_digest(sources: Iterable[Any]) -> str:
    """Digest of the memory that these good images make, without a model.

    Raises:
        DataError: one of them cannot be read.
    """
    return _joined({_digest(to_image(source)) for source in sources})


def by_class(detector: Remembers, dataset: Dataset, folder: str | Path) -> dict[str, Evaluated]:
    """A detector with references of its own for each class of a data set.

    Args:
        detector: Without references.
        dataset: To be evaluated.
        folder: Good images; with several classes it holds a folder of them per class, of its name.

    Raises:
        DataError: a class has no references, or one of them is among the images to be evaluated:
            it would be its own nearest neighbour.
    """
    root = Path(folder).expanduser()
    found: dict[str, Evaluated] = {}
    for name in dataset.classes:
        place = root / name if len(dataset.classes) > 1 or (root / name).is_dir() else root
        images = reference_images(place)
        known = {content_hash(path): path for path in images}
        for sample in dataset.of_class(name):
            same = known.get(content_hash(sample.image_path))
            if same is not None:
                raise DataError(
                    f"reference image {same} is also to be evaluated ({sample.image_path}): it "
                    "would be compared with itself; take it out of one of the two folders"
                )
        found[name] = detector.with_references(images)
    return found


def _read(encoder: Encoder, sources: Iterable[Any]) -> list[Image.Image]:
    limit = MAX_PATCHES // encoder.grid**2
    images: dict[str, Image.Image] = {}  # an image that comes twice counts once: its distance
    for source in sources:  # to itself says nothing of how good images differ
        image = encoder.read(source)[0]
        images.setdefault(_digest(image), image)
        if len(images) > limit:
            raise ConfigError(
                f"more than {limit} reference images: that many have {limit * encoder.grid**2} "
                f"patches of the {MAX_PATCHES} that are kept in memory at most; choose fewer that "
                "show what good images look like"
            )
    if not images:
        raise DataError("no reference images given; needed is at least one good image")
    return list(images.values())


def _digest(image: Image.Image) -> str:
    return hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest()


def _joined(digests: Iterable[str]) -> str:
    return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()


def _keep(image: Image.Image, areas: Areas | None, grid: int) -> Tensor:
    """Which patches count, (L,)."""
    if areas is None:
        return torch.ones(grid * grid, dtype=torch.bool)
    return torch.from_numpy(counting_patches(areas.counting(image.size), grid))


def _encode(encoder: Encoder, images: Sequence[Image.Image]) -> list[Tensor]:
    """Patch features (L, D) of each image."""
    found: list[Tensor] = []
    for start in range(0, len(images), encoder.batch_size):
        pixels = [encoder.read(i)[1] for i in images[start : start + encoder.batch_size]]
        found.extend(encoder.patch_features(torch.stack(pixels)))
    return found


def _farthest(kept: Sequence[Tensor], crops: Sequence[Tensor]) -> float:
    """Largest distance of a patch of a good image to the other ones, mean over the images.

    Args:
        kept: Patches of each image, (., D).
        crops: Of a lone image: patches of its crops.
    """
    found = [distances(patches, kept[0]).max() for patches in crops]
    if len(kept) > 1:
        found = [
            distances(patches, torch.cat([*kept[:i], *kept[i + 1 :]])).max()
            for i, patches in enumerate(kept)
        ]
    return float(torch.stack(found).mean())


def _crops(image: Image.Image) -> list[Image.Image]:
    """The four corner crops."""
    width, height = (max(1, round(CROP * side)) for side in image.size)
    lefts, tops = (0, image.width - width), (0, image.height - height)
    return [image.crop((x, y, x + width, y + height)) for y in tops for x in lefts]


def normalised(patches: Tensor) -> Tensor:
    """Patch features (..., D) of any norm and precision as the memory wants them."""
    return normalize(patches.float(), dim=-1)
