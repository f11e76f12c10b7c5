"""Real-IAD (Wang et al. 2024): ``realiad_jsons/<class>.json`` beside ``realiad_1024/<class>``.

Learnt from the data set's page, realiad4ad.github.io/Real-IAD. A JSON file has ``meta``
(``prefix``, ``normal_class``) and ``test``: a list of ``anomaly_class``, ``image_path`` and
``mask_path``, relative to the prefix inside the folder of images. Of the folders of images the
largest size is read, of the lists ``realiad_jsons`` (all views; normal images alone for training).
"""

from pathlib import Path
from typing import Any

from faprompt.data.files import find_nested, is_stray
from faprompt.data.layouts.base import Layout
from faprompt.data.layouts.tables import read_text
from faprompt.data.samples import NORMAL_TYPE, Sample
from faprompt.errors import DataError
from faprompt.files import parse_json

_LISTS = ("realiad_jsons/realiad_jsons", "realiad_jsons")
_IMAGES = ("realiad_1024", "realiad_raw", "realiad_512", "realiad_256")


def _find(root: Path) -> tuple[list[Path], Path] | None:
    """Return the lists of the classes and the folder of images."""
    images = next((f for name in _IMAGES if (f := find_nested(root, name))), None)
    for place in _LISTS:
        folder = find_nested(root, place)
        files = sorted(folder.glob("*.json")) if folder else []
        if images and (files := [file for file in files if not is_stray(file)]):
            return files, images
    return None


def _read(root: Path) -> tuple[Sample, ...]:
    found = _find(root)
    assert found is not None
    return tuple(sample for file in found[0] for sample in _read_class(file, found[1]))


def _read_class(file: Path, images: Path) -> list[Sample]:
    try:
        content = parse_json(read_text(file))
        folder = images / content["meta"].get("prefix", file.stem)
        normal = content["meta"]["normal_class"]
        return [_sample(entry, folder, normal, file.stem) for entry in content["test"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file}: not a list of Real-IAD ({type(error).__name__}: {error}); needed are meta "
            "with normal_class, and test with anomaly_class and image_path"
        ) from error


def _sample(entry: dict[str, Any], folder: Path, normal: str, class_name: str) -> Sample:
    kind, mask = entry["anomaly_class"], entry.get("mask_path")
    label = int(kind != normal)
    return Sample(
        image_path=folder / entry["image_path"],
        class_name=class_name,
        label=label,
        anomaly_type=str(kind) if label else NORMAL_TYPE,
        mask_path=folder / mask if mask and label else None,
        mask_rule="above127",
    )


REALIAD = Layout(
    name="realiad",
    looks="realiad_jsons/<class>.json beside realiad_1024/<class>/",
    fits=lambda path: _find(path) is not None,
    read_root=_read,
)
