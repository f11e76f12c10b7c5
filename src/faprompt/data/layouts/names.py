"""Words that people use for normal, anomalous and masks, all in lower case."""

_NORMAL = (
    "good normal ok no negative healthy 0 pass passed clean flawless fine defect_free defect-free "
    "defectfree nodefect no_defect non_defective nondefective undamaged intact"
)
_ANOMALOUS = (
    "anomalous anomaly anomalies abnormal bad ng nok ko yes positive 1 fail failed defect defects "
    "defective faulty damaged not_good not-good notgood unhealthy"
)
NORMAL_NAMES = frozenset(_NORMAL.split())
ANOMALOUS_NAMES = frozenset(_ANOMALOUS.split())
MASK_FOLDERS = ("masks", "mask", "ground_truth", "groundtruth", "gt", "segmentation", "annotations")
SPLIT_NAMES = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})
"""Folders that are neither classes nor types."""


def label_of(word: str) -> int | None:
    """Return 0 for a word that means normal, 1 for anomalous, None for any other.

    Example:
        >>> label_of("Good"), label_of("NG"), label_of("scratch")
        (0, 1, None)
    """
    word = word.strip().lower()
    if word in NORMAL_NAMES:
        return 0
    return 1 if word in ANOMALOUS_NAMES else None
