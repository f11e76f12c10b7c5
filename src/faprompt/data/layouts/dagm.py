"""DAGM 2007 (Wieler, Hahn 2007): ten drawn textures, defects marked by rough ellipses.

Learnt from the competition's archive (hci.iwr.uni-heidelberg.de):
``ClassN/Test/0001.PNG`` and ``ClassN/Test/Label/Labels.txt``, whose lines are number, label, image,
label and mask ("2  1  0002.PNG  1  0002_label.PNG"; "0" stands for no mask). ``Train`` is not read.
"""

from collections.abc import Iterator
from pathlib import Path

from faprompt.data.files import find_folder, images_in, index_masks, subfolders
from faprompt.data.layouts.base import Layout
from faprompt.data.samples import NORMAL_TYPE, Sample


def _classes(root: Path) -> list[Path]:
    """Class folders, in the order of their numbers."""
    if _labels(root):
        return [root]
    found = [f for f in subfolders(root) if f.name.lower().startswith("class") and _labels(f)]
    return sorted(found, key=lambda f: (len(f.name), f.name.lower()))


def _labels(folder: Path) -> Path | None:
    """Folder of the masks of a class's test split."""
    test = find_folder(folder, ["test"])
    return find_folder(test, ["label"]) if test else None


def _read_class(folder: Path) -> Iterator[Sample]:
    labels = _labels(folder)
    if labels is None:
        return
    masks = index_masks(labels)
    marked = _marked(labels / "Labels.txt") | {stem.removesuffix("_label") for stem in masks}
    for path in images_in(labels.parent):
        label = int(path.stem.lower() in marked)
        yield Sample(
            image_path=path,
            class_name=folder.name,
            label=label,
            anomaly_type="defect" if label else NORMAL_TYPE,
            mask_path=masks.get(f"{path.stem.lower()}_label"),
            mask_rule="nonzero",
        )


def _marked(table: Path) -> set[str]:
    """Stems of the images that are labelled defective; none where the table is lost."""
    if not table.is_file():
        return set()
    rows = (line.split() for line in table.read_text(encoding="utf-8-sig").splitlines())
    return {Path(row[2]).stem.lower() for row in rows if len(row) >= 3 and row[1] == "1"}


DAGM = Layout(
    name="dagm",
    looks="ClassN/Test/*.PNG with ClassN/Test/Label/Labels.txt",
    fits=lambda path: bool(_classes(path)),
    read_root=lambda path: tuple(s for folder in _classes(path) for s in _read_class(folder)),
)
