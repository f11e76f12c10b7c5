"""Regions of real defects lie on them. Needs FAPROMPT_DATA."""

import os
from pathlib import Path

import pytest

from faprompt import Detector, find_regions, load_dataset
from faprompt.data.masks import read_mask
from faprompt.detection.polygons import fill

FOLDER = os.environ.get("FAPROMPT_DATA")  # empty is none
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not FOLDER, reason="FAPROMPT_DATA names no folder"),
]


def test_the_strongest_region_of_damaged_hazelnuts_meets_the_damage() -> None:
    detector = Detector.load("tiny", device="cpu", precision="fp32")
    samples = load_dataset(Path(FOLDER or ".") / "data" / "hazelnut_toy").samples
    damaged = [sample for sample in samples if sample.label == 1]
    hits = 0
    for sample in damaged:
        found = detector.predict(sample.image_path)
        mask = read_mask(sample, None)
        regions = find_regions(found.anomaly_map, detector.header.colour_limits[0])
        assert mask is not None
        strongest = [tuple(region.polygon) for region in regions[:1]]  # one nut may have none
        hits += bool((fill(strongest, found.image.size) & mask).any())
    assert len(damaged) == 17
    assert hits >= 15
