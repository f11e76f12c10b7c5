"""Is a copy of a data set whole and clean? Every file is read once."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faprompt.data.hashing import content_hash
from faprompt.data.images import open_image
from faprompt.data.loading import map_ordered
from faprompt.data.masks import read_mask
from faprompt.data.samples import Dataset, Sample

SHOWN = 5  # of a long list, in texts


@dataclass(frozen=True, slots=True)
class _Facts:
    size: tuple[int, int]
    content: str
    empty_mask: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """What was found in a copy of a data set."""

    classes: int
    normal: int
    anomalous: int
    unlabelled: int
    expected: tuple[tuple[int, int], ...]
    """Normal and anomalous images that a whole copy has; empty: not known."""
    unreadable: dict[str, str]
    """Image path to the reason: the image or its mask."""
    without_mask: tuple[str, ...]
    """Anomalous images without a mask file, where pixels are evaluated."""
    empty_masks: tuple[str, ...]
    """Anomalous images whose mask marks nothing."""
    duplicates: tuple[tuple[str, ...], ...]
    """Images of the same bytes."""
    contradictions: tuple[tuple[str, ...], ...]
    """Images of the same bytes with different labels."""
    smallest: tuple[int, int] | None
    """Width and height of the image with the fewest pixels."""
    largest: tuple[int, int] | None

    @property
    def counts_fit(self) -> bool:
        """Whether the counts are those of a whole copy, or nothing is known of them."""
        return not self.expected or (self.normal, self.anomalous) in self.expected

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps this copy from being evaluated as published, one line each."""
        found = []
        if not self.counts_fit:
            wanted = " or ".join(f"{n} + {a}" for n, a in self.expected)
            found.append(
                f"{self.normal} normal + {self.anomalous} anomalous images, expected {wanted}"
            )
        for what, names in (
            ("unreadable", tuple(self.unreadable)),
            ("anomalous without mask", self.without_mask),
            ("anomalous with an empty mask", self.empty_masks),
        ):
            if names:
                found.append(f"{len(names)} {what}: {_some(names)}")
        if self.contradictions:
            groups = [" = ".join(group) for group in self.contradictions]
            found.append(f"{len(groups)} contents with different labels: {_some(groups)}")
        return tuple(found)

    @property
    def summary(self) -> str:
        """Counts in one line."""
        unlabelled = f", {self.unlabelled} unlabelled" if self.unlabelled else ""
        classes = "1 class" if self.classes == 1 else f"{self.classes} classes"
        return f"{classes}, {self.normal} normal, {self.anomalous} anomalous{unlabelled}"

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is worth knowing and no obstacle."""
        groups = [" = ".join(group) for group in self.duplicates]
        return (f"{len(groups)} contents that occur twice: {_some(groups)}",) if groups else ()

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        names = [name for name in self.__slots__ if not name.startswith("_")]
        return {name: getattr(self, name) for name in names} | {"problems": self.problems}


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def check_dataset(
    dataset: Dataset,
    *,
    expected: tuple[tuple[int, int], ...] = (),
    pixel_level: bool = True,
    workers: int = 2,
    progress: Callable[[int], None] = lambda _: None,
) -> Health:
    """Read everything once and say what is wrong.

    Args:
        dataset: To check.
        expected: Normal and anomalous images that a whole copy has.
        pixel_level: Whether masks are wanted at all.
        workers: Reading threads.
        progress: Called with 1 after every image.
    """
    facts: dict[Path, _Facts] = {}
    unreadable: dict[Path, str] = {}
    for sample, result in map_ordered(_read, dataset.samples, workers=workers):
        if isinstance(result, _Facts):
            facts[sample.image_path] = result
        else:
            unreadable[sample.image_path] = str(result)
        progress(1)
    counts = dataset.counts()
    sizes = sorted((f.size for f in facts.values()), key=lambda s: (s[0] * s[1], s))
    anomalous = [s for s in dataset.samples if s.label == 1 and pixel_level]
    same = _same(dataset, facts)
    names = _namer(dataset.root)
    return Health(
        classes=len(dataset.classes),
        normal=counts.normal,
        anomalous=counts.anomalous,
        unlabelled=counts.unlabelled,
        expected=expected,
        unreadable={names(path): reason for path, reason in unreadable.items()},
        without_mask=tuple(names(s.image_path) for s in anomalous if s.mask_path is None),
        empty_masks=tuple(
            names(s.image_path)
            for s in anomalous
            if s.mask_path and s.image_path in facts and facts[s.image_path].empty_mask
        ),
        duplicates=tuple(tuple(names(s.image_path) for s in group) for group in same),
        contradictions=tuple(
            tuple(names(s.image_path) for s in group)
            for group in same
            if len({s.label for s in group}) > 1
        ),
        smallest=sizes[0] if sizes else None,
        largest=sizes[-1] if sizes else None,
    )


def _read(sample: Sample) -> _Facts:
    image = open_image(sample.image_path)
    mask = read_mask(sample, None)
    return _Facts(image.size, content_hash(sample.image_path), mask is None)


def _same(dataset: Dataset, facts: dict[Path, _Facts]) -> list[list[Sample]]:
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in dataset.samples:
        if sample.image_path in facts:
            groups[facts[sample.image_path].content].append(sample)
    return [group for group in groups.values() if len(group) > 1]


def _namer(root: Path) -> Callable[[Path], str]:
    def name(path: Path) -> str:
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

    return name
