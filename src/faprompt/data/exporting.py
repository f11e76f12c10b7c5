"""Writing a data set down as a list that reads back to the same samples."""

import json
from pathlib import Path
from typing import Any

from faprompt.data.samples import Dataset, Sample
from faprompt.errors import DataError, OutputError
from faprompt.files import expanded, write_text


def export_dataset(dataset: Dataset, to: Path) -> None:
    """Write ``manifest.jsonl`` (layout ``manifest``) or ``meta.json`` (layout ``metajson``).

    Paths below the folder of the list are written relative to it, others in full.

    Args:
        dataset: To write down.
        to: A file whose name ends in ``.jsonl`` or ``.json``.

    Raises:
        OutputError: another ending, or the file cannot be written.
        DataError: samples without a label, for which ``meta.json`` has no form.
    """
    to = expanded(to).absolute()
    if to.suffix.lower() == ".jsonl":
        lines = (json.dumps(_row(s, to.parent), ensure_ascii=False) for s in dataset.samples)
        write_text(to, "".join(f"{line}\n" for line in lines))
    elif to.suffix.lower() == ".json":
        content = {"train": {}, "test": _by_class(dataset, to.parent)}
        write_text(to, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    else:
        raise OutputError(f"{to}: ends in {to.suffix!r}; needed is NAME.jsonl or NAME.json")


def _row(sample: Sample, folder: Path) -> dict[str, Any]:
    return {
        "path": _shown(sample.image_path, folder),
        "label": sample.label,
        "mask": _shown(sample.mask_path, folder),
        "mask_rule": sample.mask_rule,
        "class": sample.class_name,
        "type": sample.anomaly_type,
    }


def _by_class(dataset: Dataset, folder: Path) -> dict[str, list[dict[str, Any]]]:
    if unlabelled := dataset.counts().unlabelled:
        raise DataError(
            f"{dataset.root}: {unlabelled} images have no label, which meta.json cannot say; "
            "export to manifest.jsonl"
        )
    return {
        name: [_entry(sample, folder) for sample in dataset.of_class(name)]
        for name in dataset.classes
    }


def _entry(sample: Sample, folder: Path) -> dict[str, Any]:
    return {
        "img_path": _shown(sample.image_path, folder),
        "mask_path": _shown(sample.mask_path, folder),
        "mask_rule": sample.mask_rule,
        "cls_name": sample.class_name,
        "specie_name": sample.anomaly_type,
        "anomaly": sample.label,
    }


def _shown(path: Path | None, folder: Path) -> str:
    if path is None:
        return ""
    inside = path.is_relative_to(folder)
    return (path.relative_to(folder) if inside else path).as_posix()
