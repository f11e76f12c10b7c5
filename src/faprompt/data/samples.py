"""What a data set is made of: samples with labels, types of anomaly and masks."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from faprompt.data.hashing import content_hash

MaskRule = Literal["nonzero", "above127", "auto"]
"""Which mask values mean defect; every layout decides.

``nonzero``: label-coded files, any code but 0. ``above127``: JPEG or anti-aliased files, the upper
half of the range. ``auto``: layouts anyone may fill: ``above127`` for a file that reaches the upper
half, else ``nonzero`` (codes such as 0 and 1).
"""

MASK_RULES: tuple[MaskRule, ...] = get_args(MaskRule)

NORMAL_TYPE = "good"
"""``anomaly_type`` of normal samples."""
UNKNOWN_TYPE = "unknown"
"""``anomaly_type`` of samples without a label."""
ANOMALOUS_TYPE = "anomalous"
"""``anomaly_type`` of anomalous samples whose kind is not told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One image with what is known about it. Nothing is opened yet."""

    image_path: Path
    class_name: str
    """The product (hazelnut), not the defect."""
    label: int | None
    """0 normal, 1 anomalous, None unknown."""
    anomaly_type: str = UNKNOWN_TYPE
    """``good``, the kind of defect, or ``unknown``."""
    mask_path: Path | None = None
    """File with the defect's pixels; None: there is none."""
    mask_rule: MaskRule = "auto"


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """How many samples of each kind there are."""

    normal: int
    anomalous: int
    unlabelled: int
    masks: int
    """Samples with a mask file."""

    @property
    def total(self) -> int:
        """All samples."""
        return self.normal + self.anomalous + self.unlabelled


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """The samples of one data set, in a fixed order."""

    name: str
    layout: str
    root: Path
    samples: tuple[Sample, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in alphabetical order."""
        return tuple(sorted({sample.class_name for sample in self.samples}))

    def of_class(self, class_name: str) -> tuple[Sample, ...]:
        """Return the samples of one class, in order."""
        return tuple(s for s in self.samples if s.class_name == class_name)

    def counts(self, class_name: str | None = None) -> Counts:
        """Count the samples of one class, or of all."""
        return count(self.samples if class_name is None else self.of_class(class_name))

    def content_hash(self) -> str:
        """SHA-256 over the bytes of images and masks, classes, labels and types.

        File names, place and order do not matter. Every file is read once.

        Raises:
            DataError: a file is missing or cannot be read.
        """
        lines = sorted(_sample_line(sample) for sample in self.samples)
        return hashlib.sha256("\n".join(lines).encode(errors="backslashreplace")).hexdigest()


def count(samples: Iterable[Sample]) -> Counts:
    """Count normal, anomalous and unlabelled samples, and masks.

    Example:
        >>> sample = Sample(image_path=Path("a.png"), class_name="nut", label=1)
        >>> count([sample])
        Counts(normal=0, anomalous=1, unlabelled=0, masks=0)
    """
    samples = tuple(samples)
    labels = [sample.label for sample in samples]
    return Counts(
        normal=labels.count(0),
        anomalous=labels.count(1),
        unlabelled=labels.count(None),
        masks=sum(sample.mask_path is not None for sample in samples),
    )


def _sample_line(sample: Sample) -> str:
    mask = content_hash(sample.mask_path) if sample.mask_path else "-"
    parts = (content_hash(sample.image_path), sample.label, mask, sample.mask_rule)
    return "\t".join(map(str, (*parts, sample.class_name, sample.anomaly_type)))
