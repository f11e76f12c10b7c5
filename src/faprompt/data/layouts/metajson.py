"""AnomalyCLIP's ``meta.json``: lists of samples per split and class, paths relative to it.

Learnt from the repository zqhang/AnomalyCLIP (generate_dataset_json): ``{"train": {class: [...]},
"test": {class: [{"img_path", "mask_path", "cls_name", "specie_name", "anomaly"}]}}``. A
``mask_rule`` of ours may stand beside them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from faprompt.config import short
from faprompt.data.files import is_stray
from faprompt.data.layouts.base import Layout
from faprompt.data.layouts.manifest import mask_rule, resolve
from faprompt.data.samples import ANOMALOUS_TYPE, NORMAL_TYPE, Sample
from faprompt.errors import DataError
from faprompt.files import parse_json

_FILE = "meta.json"


def _file(path: Path) -> Path:
    return path / _FILE if path.is_dir() else path


def _fits(path: Path) -> bool:
    file = _file(path)
    return file.is_file() and file.suffix.lower() == ".json" and not is_stray(file)


def _read(path: Path) -> tuple[Sample, ...]:
    file = _file(path)
    return tuple(_sample(file, where, entry) for where, entry in _entries(file))


def _entries(file: Path) -> Iterator[tuple[str, Any]]:
    """Yield place and content of every entry of the test split."""
    try:
        content = parse_json(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: not a readable JSON file ({error})") from error
    test = content.get("test") if isinstance(content, dict) else None
    if not isinstance(test, dict):
        raise DataError(
            f'{file}: no "test" split; needed is AnomalyCLIP\'s form {{"test": {{class: [...]}}}}'
        )
    for class_name, entries in test.items():
        if not isinstance(entries, list):
            raise DataError(f"{file}: test, class {short(class_name)} is not a list of samples")
        yield from (
            (f"test, class {short(class_name)}, entry {i}", e) for i, e in enumerate(entries)
        )


def _sample(file: Path, where: str, entry: Any) -> Sample:
    try:
        image, class_name, label = entry["img_path"], entry["cls_name"], entry["anomaly"]
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{file}: {where} lacks {error}; needed are img_path, cls_name and anomaly"
        ) from error
    if label not in (0, 1) or not isinstance(image, str):
        raise DataError(
            f"{file}: {where} has anomaly {short(label)} and img_path {short(image)}; needed are "
            "0 or 1 and a path"
        )
    mask = entry.get("mask_path")
    if not isinstance(mask or "", str):
        raise DataError(f"{file}: {where} has mask_path {short(mask)}; needed is a path, or none")
    return Sample(
        image_path=resolve(file.parent, image),
        class_name=str(class_name),
        label=int(label),
        anomaly_type=str(entry.get("specie_name") or ANOMALOUS_TYPE) if label else NORMAL_TYPE,
        mask_path=resolve(file.parent, mask) if mask else None,
        mask_rule=mask_rule(f"{file}: {where}", entry.get("mask_rule")),
    )


METAJSON = Layout(
    name="metajson",
    looks="meta.json with a test split, or such a file",
    fits=_fits,
    read_root=_read,
)
