"""Is this copy of a data set whole? Counts, damage, masks, duplicates and sizes."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from faprompt.data.catalogue import CATALOGUE, Entry
from faprompt.data.hashing import content_hash
from faprompt.data.images import open_image
from faprompt.data.masks import read_mask
from faprompt.data.samples import Counts, Dataset, Sample
from faprompt.errors import DataError


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """What was found in a data set."""

    counts: Counts
    classes: int
    expected: Entry | None
    """None: nobody knows how many images there should be."""
    unreadable: dict[Path, str]
    """Images and masks that cannot be used, and why."""
    without_mask: tuple[Path, ...]
    """Anomalous images without a mask."""
    empty_masks: tuple[Path, ...]
    """Masks of anomalous images without a defect pixel."""
    duplicates: tuple[tuple[Path, ...], ...]
    """Groups of images with the same content."""
    contradictions: tuple[tuple[Path, ...], ...]
    """Those of ``duplicates`` that are called normal and anomalous."""
    sizes: tuple[tuple[int, int], tuple[int, int]] | None
    """Smallest and largest width and height; None: no image can be read."""

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps this copy from the figures of others; one line each.

        Duplicates and empty masks are not among them: published sets have both.
        """
        found = [*self._count_problems()]
        if self.unreadable:
            found.append(f"{len(self.unreadable)} files cannot be used")
        if self.without_mask and self.needs_masks:
            found.append(f"{len(self.without_mask)} anomalous images without a mask")
        if self.contradictions:
            found.append(f"{len(self.contradictions)} images are both normal and anomalous")
        return tuple(found)

    @property
    def needs_masks(self) -> bool:
        """Whether pixels of this data set are evaluated."""
        return self.expected is not None and "pixel" in self.expected.levels

    def _count_problems(self) -> list[str]:
        found = []
        if self.expected and self.expected.counts:
            here = self.counts.normal, self.counts.anomalous
            if here != self.expected.counts:
                found.append(
                    f"{here[0]} normal and {here[1]} anomalous images; needed are "
                    f"{self.expected.counts[0]} and {self.expected.counts[1]} "
                    f"({self.expected.source})"
                )
            if self.counts.unlabelled:
                found.append(f"{self.counts.unlabelled} images without a label")
        if self.expected and self.classes != self.expected.classes:
            found.append(f"{self.classes} classes; needed are {self.expected.classes}")
        return found


@dataclass(slots=True)
class _Findings:
    unreadable: dict[Path, str] = field(default_factory=dict)
    without_mask: list[Path] = field(default_factory=list)
    empty_masks: list[Path] = field(default_factory=list)
    contents: dict[str, list[Sample]] = field(default_factory=dict)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)


def check_dataset(dataset: Dataset) -> Check:
    """Read every image and mask of a data set and say what is wrong with it."""
    found = _Findings()
    for sample in dataset.samples:
        _look_at(sample, found)
    groups = [group for group in found.contents.values() if len(group) > 1]
    return Check(
        counts=dataset.counts(),
        classes=len(dataset.classes),
        expected=CATALOGUE.get(dataset.layout),
        unreadable=found.unreadable,
        without_mask=tuple(found.without_mask),
        empty_masks=tuple(found.empty_masks),
        duplicates=tuple(_paths(group) for group in groups),
        contradictions=tuple(_paths(g) for g in groups if {0, 1} <= {s.label for s in g}),
        sizes=_range(found.sizes),
    )


def _look_at(sample: Sample, found: _Findings) -> None:
    try:
        found.sizes[open_image(sample.image_path).size] += 1
        found.contents.setdefault(content_hash(sample.image_path), []).append(sample)
    except DataError as error:
        found.unreadable[sample.image_path] = str(error)
        return
    if sample.mask_path is None:
        if sample.label == 1:
            found.without_mask.append(sample.image_path)
        return
    try:
        if read_mask(sample, None) is None:
            found.empty_masks.append(sample.mask_path)
    except DataError as error:
        found.unreadable[sample.mask_path] = str(error)


def _paths(samples: list[Sample]) -> tuple[Path, ...]:
    return tuple(sample.image_path for sample in samples)


def _range(sizes: Counter[tuple[int, int]]) -> tuple[tuple[int, int], tuple[int, int]] | None:
    if not sizes:
        return None
    widths, heights = zip(*sizes, strict=True)
    return (min(widths), min(heights)), (max(widths), max(heights))
