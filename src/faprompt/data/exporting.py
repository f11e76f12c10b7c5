"""Write a data set's samples as a manifest of ours, or as AnomalyCLIP's ``meta.json``."""

import json
import os
from pathlib import Path

from faprompt.data.samples import Dataset, Sample
from faprompt.errors import OutputError
from faprompt.files import write_text

FORMATS = (".jsonl", ".json")


def export_samples(dataset: Dataset, file: Path) -> Path:
    """Write the samples into a file that :func:`load_dataset` reads back.

    Paths are relative to the file's folder where both lie on one drive. ``.json`` is the form of
    AnomalyCLIP, which knows no unlabelled samples and no mask rules.

    Args:
        dataset: What to write.
        file: ``*.jsonl``, or ``meta.json``.

    Raises:
        OutputError: another ending, a sample that the form cannot hold, or no right to write.
    """
    folder = file.resolve().parent
    if file.suffix == ".jsonl":
        lines = [json.dumps(_row(sample, folder), ensure_ascii=False) for sample in dataset.samples]
        write_text(file, "\n".join(lines) + "\n")
    elif file.suffix == ".json":
        write_text(file, json.dumps(_meta(dataset, file, folder), indent=1) + "\n")
    else:
        raise OutputError(f"{file}: ends neither in {' nor in '.join(FORMATS)}; choose one of them")
    return file


def _row(sample: Sample, folder: Path) -> dict[str, str | int | None]:
    return {
        "path": _relative(sample.image_path, folder),
        "label": sample.label,
        "class": sample.class_name,
        "type": sample.anomaly_type,
        "mask": _relative(sample.mask_path, folder) if sample.mask_path else None,
        "mask_rule": sample.mask_rule,
    }


def _meta(dataset: Dataset, file: Path, folder: Path) -> dict[str, object]:
    if unlabelled := [s for s in dataset.samples if s.label is None]:
        raise OutputError(
            f"{file}: {len(unlabelled)} samples have no label ({unlabelled[0].image_path}), which "
            "meta.json cannot say; write a .jsonl"
        )
    test = {
        name: [
            {
                "img_path": _relative(s.image_path, folder),
                "mask_path": _relative(s.mask_path, folder) if s.mask_path else "",
                "cls_name": name,
                "specie_name": s.anomaly_type,
                "anomaly": s.label,
            }
            for s in dataset.of_class(name)
        ]
        for name in dataset.classes
    }
    return {"train": {}, "test": test}


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive
        return str(path)
