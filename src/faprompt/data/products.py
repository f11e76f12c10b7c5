"""Images of one kind (normal or anomalous), product by product."""

import glob
from pathlib import Path

from faprompt.data.datasets import load_dataset
from faprompt.data.files import images_below, images_in, subfolders
from faprompt.data.listing import list_images
from faprompt.errors import DataError

Products = dict[str, list[Path]]
"""Name of a product to its images, in a fixed order."""

_KINDS = {0: "normal", 1: "anomalous"}


def images_by_product(spec: str, *, label: int) -> Products:
    """Find the images that a user means by a folder of normal (or of anomalous) images.

    A data set with labels gives those with this label; one without labels, a plain folder or a
    glob gives all. Products are the classes of the data set; else, in a folder that holds nothing
    but folders of images, these; else there is one, named after the folder.

    Args:
        spec: PATH, LAYOUT:PATH or a glob.
        label: 0 normal, 1 anomalous.

    Raises:
        DataError: nothing there, or no image with this label.
    """
    try:
        dataset = load_dataset(spec)
    except DataError:
        return _plain(spec)
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


def _plain(spec: str) -> Products:
    path = Path(spec).expanduser()
    if not path.exists() and not glob.has_magic(spec):
        raise DataError(f"{spec}: not found; needed is a folder of images, LAYOUT:PATH or a glob")
    if path.is_dir() and not images_in(path):
        inner = {folder.name: list(images_below(folder)) for folder in subfolders(path)}
        if found := {name: images for name, images in inner.items() if images}:
            return found
    images = [item.path for item in list_images([spec])]
    return {path.resolve().name if path.is_dir() else images[0].resolve().parent.name: images}
