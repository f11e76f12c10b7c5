"""Images of one kind (normal or anomalous), product by product."""

import glob
import logging
from pathlib import Path

from faprompt.data.datasets import load_dataset
from faprompt.data.files import images_below, images_in, subfolders
from faprompt.data.listing import list_images
from faprompt.errors import DataError

logger = logging.getLogger(__name__)

Products = dict[str, list[Path]]
"""Name of a product to its images, in a fixed order."""

_KINDS = {0: "normal", 1: "anomalous"}


def images_by_product(spec: str, *, label: int) -> Products:
    """Find the images that a user means by a folder of normal (or of anomalous) images.

    A data set with labels gives those with this label; one without labels, a plain folder or a
    glob gives all. Products are the classes of the data set; else, in a folder that holds nothing
    but folders, these, each of them read by the same rule; else there is one, named after the
    folder.

    Args:
        spec: PATH, LAYOUT:PATH or a glob.
        label: 0 normal, 1 anomalous.

    Raises:
        DataError: nothing there, or no image with this label.
    """
    try:
        dataset = load_dataset(spec)
    except DataError:
        return _plain(spec, label)
    labelled = any(sample.label is not None for sample in dataset.samples)
    found: Products = {}
    for sample in dataset.samples:
        if not labelled or sample.label == label:
            found.setdefault(sample.class_name, []).append(sample.image_path)
    if not found:
        raise DataError(
            f"{spec}: {len(dataset)} images, none of them {_KINDS[label]}; needed is a folder of "
            f"{_KINDS[label]} images"
        )
    return dict(sorted(found.items()))


def _plain(spec: str, label: int) -> Products:
    path = Path(spec).expanduser()
    if not path.exists() and not glob.has_magic(spec):
        raise DataError(f"{spec}: not found; needed is a folder of images, LAYOUT:PATH or a glob")
    if path.is_dir() and not images_in(path) and (found := _inner(path, label)):
        return found
    images = [item.path for item in list_images([spec])]
    return {path.resolve().name if path.is_dir() else images[0].resolve().parent.name: images}


def _inner(path: Path, label: int) -> Products:
    """The products of the folders in a folder; a data set among them gives this label alone.

    Raises:
        DataError: there are data sets, and nothing but data sets without this label.
    """
    found: Products = {}
    without: list[DataError] = []
    for folder in subfolders(path):
        if not (below := list(images_below(folder))):
            continue
        if not _is_data_set(folder):
            found[folder.name] = below
            continue
        try:
            classes = images_by_product(str(folder), label=label)
        except DataError as error:
            without.append(error)
            logger.warning("left out: %s", error)
            continue
        several = len(classes) > 1
        for name, images in classes.items():
            found[f"{folder.name}-{name}" if several else folder.name] = images
    if without and not found:
        raise without[0]
    return found


def _is_data_set(folder: Path) -> bool:
    """Whether a folder holds more than images: labels or masks."""
    try:
        samples = load_dataset(folder).samples
    except DataError:
        return False
    return any(sample.label is not None or sample.mask_path for sample in samples)
