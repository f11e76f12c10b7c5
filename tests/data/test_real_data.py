"""The five real data sets: counts, masks and every image readable. Needs FAPROMPT_DATA."""

import os
from pathlib import Path

import pytest

from faprompt.data.datasets import load_dataset
from faprompt.data.images import image_size, open_image
from faprompt.data.masks import read_mask
from faprompt.data.samples import Counts

FOLDER = os.environ.get("FAPROMPT_DATA")  # empty is none
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not FOLDER, reason="FAPROMPT_DATA names no folder"),
]
DATA = Path(FOLDER or ".") / "data"

# Counts: README of the data.
EXPECTED = {
    "magnetic_tile": ("magnetictile", Counts(normal=560, anomalous=392, unlabelled=0, masks=952)),
    "bsdata": ("bsdata", Counts(normal=710, anomalous=394, unlabelled=0, masks=394)),
    "hazelnut_toy": ("mvtec", Counts(normal=6, anomalous=17, unlabelled=0, masks=17)),
    "brain_mri": ("brainmri", Counts(normal=98, anomalous=155, unlabelled=0, masks=0)),
    "kvasir_seg": ("kvasir", Counts(normal=0, anomalous=1000, unlabelled=0, masks=1000)),
}
UNKNOWN_MASKS = {"magnetic_tile": 4, "bsdata": 0, "hazelnut_toy": 0, "brain_mri": 155}


@pytest.mark.parametrize("name", EXPECTED)
def test_layout_and_counts(name: str) -> None:
    layout, counts = EXPECTED[name]
    for spec in (DATA / name, f"{layout}:{DATA / name}"):
        dataset = load_dataset(spec)
        assert (dataset.layout, dataset.counts(), len(dataset.classes)) == (layout, counts, 1)


@pytest.mark.parametrize("name", UNKNOWN_MASKS)
def test_unknown_masks_are_counted(name: str) -> None:
    masks = [read_mask(sample, 256) for sample in load_dataset(DATA / name).samples]
    assert sum(mask is None for mask in masks) == UNKNOWN_MASKS[name]


def test_every_image_of_mixed_modes_is_read() -> None:
    for sample in load_dataset(DATA / "brain_mri").samples:
        image = open_image(sample.image_path)
        assert (image.mode, image.size) == ("RGB", image_size(sample.image_path))
