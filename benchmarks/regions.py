"""Regions of ``tiny``: which prompts lead them, where they lie on labelled images, their cost.

python benchmarks/regions.py --data path/to/data/hazelnut_toy --json figures.json
"""

import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import arguments, report
from numpy.typing import NDArray
from PIL import Image

from faprompt import Areas, Detector, Look, Region, find_regions, load_dataset
from faprompt.data.masks import read_mask
from faprompt.data.samples import Dataset, Sample
from faprompt.detection.polygons import fill
from faprompt.detection.prediction import Prediction
from faprompt.detection.region_files import RegionSettings, outlined_overlay

Row = dict[str, Any]
Floats = NDArray[np.float32]
PHOTO = (4000, 3000)
LARGE = (20_000, 15_000)
BLOBS = 5
"""Along each side of the large map."""
NOISE = (500, 512)
HARDLY = 0.11
"""A leading share below this is hardly a preference: each of ten prompts would have 0.1."""
EXAMPLES = Path(str(files("faprompt").joinpath("assets", "examples")))
HOLED = "denim/test/hole/009.jpg"
IGNORED = "0,0 1300,0 1300,3000 0,3000"


def main() -> None:
    """Print three tables."""
    parser = arguments(__doc__)
    parser.add_argument(
        "--data", default=None, help="labelled images with masks, such as hazelnuts"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    detector = Detector.load("tiny", device="cpu", precision="fp32")
    settings = RegionSettings(pixel_threshold=detector.colour_limits[0])
    rows = [shares(detector, settings)]
    if options.data:
        rows.append(meeting(detector, settings, load_dataset(options.data)))
    rows += costs(detector, settings, options.repeats)
    report("regions, tiny, fp32, one thread; ms of the processor", rows, options.json)


def found_in(
    detector: Detector, settings: RegionSettings, dataset: Dataset
) -> Iterator[tuple[Sample, Prediction, list[Region]]]:
    """Every sample with its prediction and its regions, largest peak first."""
    paths = [sample.image_path for sample in dataset.samples]
    stream = detector.predict(paths, look=Look(responses=True))
    for sample, prediction in zip(dataset.samples, stream, strict=True):
        yield sample, prediction, settings.find(prediction)


def shares(detector: Detector, settings: RegionSettings) -> Row:
    """Which prompts lead the regions of the shipped examples."""
    every: list[float] = []
    leading: list[tuple[int, float]] = []
    products: dict[int, set[str]] = {}
    for sample, _, regions in found_in(detector, settings, load_dataset(EXAMPLES)):
        for region in regions:
            every += [share for _, share in region.prompts]
            leading.append(region.prompts[0])
            products.setdefault(region.prompts[0][0], set()).add(sample.class_name)
    prompt, count = Counter(index for index, _ in leading).most_common(1)[0]
    first = [share for _, share in leading]
    return {
        "what": "prompts that lead on the shipped examples",
        "regions": len(leading),
        "shares": f"{min(every):.3f} to {max(every):.3f}",
        "of the leading one": f"{min(first):.3f} to {max(first):.3f}",
        f"led by less than {HARDLY}": f"{sum(share < HARDLY for share in first)} of {len(first)}",
        "leads most": f"{prompt}: {count} in {', '.join(sorted(products[prompt]))}",
    }


def meeting(detector: Detector, settings: RegionSettings, dataset: Dataset) -> Row:
    """Do the strongest regions lie on the damage, and do flawless images have any?"""
    good, bad, with_region, met = 0, 0, 0, 0
    for sample, prediction, regions in found_in(detector, settings, dataset):
        if sample.label == 0:
            good, with_region = good + 1, with_region + bool(regions)
        elif sample.mask_path:
            bad += 1
            mask = read_mask(sample, None)
            outline = [tuple(regions[0].polygon)] if regions else []
            assert mask is not None
            met += bool((fill(outline, prediction.size) & mask).any())
    return {
        "what": f"where the strongest regions lie, {dataset.name}",
        "flawless with a region": f"{with_region} of {good}",
        "damaged, strongest on the damage": f"{met} of {bad}",
    }


def costs(detector: Detector, settings: RegionSettings, repeats: int) -> list[Row]:
    """Processor milliseconds of each step."""
    photo = Image.open(EXAMPLES / HOLED).convert("RGB").resize(PHOTO)
    prediction = detector.predict(photo, look=Look(responses=True))
    regions = settings.find(prediction)
    areas = Areas.parse(ignore=[IGNORED])
    large, many = large_map(), noise()
    steps: dict[str, Callable[[], Any]] = {
        "prediction": partial(detector.predict, photo),
        "with responses": partial(detector.predict, photo, look=Look(responses=True)),
        "with an area": partial(detector.predict, photo, look=Look(areas=areas)),
        f"finding regions, {len(regions)}": partial(settings.find, prediction),
        "their mask": partial(settings.mask, prediction),
        "heat map with outlines": partial(outlined_overlay, prediction, regions),
        f"regions of {LARGE[0]} x {LARGE[1]}, {BLOBS**2}": partial(find_regions, large, 0.5),
        f"regions of noise, {many.size // 4}": partial(find_regions, many, 0.5),
    }
    return [{"what": name, "ms": processor_ms(step, repeats)} for name, step in steps.items()]


def processor_ms(function: Callable[[], Any], repeats: int) -> float:
    """Median time on the processor, after one run that is not counted; waiting does not count."""
    function()
    found = []
    for _ in range(repeats):
        started = time.process_time()
        function()
        found.append(1000 * (time.process_time() - started))
    return statistics.median(found)


def large_map() -> Floats:
    """A map in a file, as very large images have it, with squares of anomalous pixels."""
    width, height = LARGE
    with tempfile.TemporaryFile() as file:
        values = np.memmap(file, np.float32, "w+", shape=(height, width))
    side = width // BLOBS // 10
    for y in range(BLOBS):
        for x in range(BLOBS):
            top, left = y * height // BLOBS, x * width // BLOBS
            values[top : top + side, left : left + side] = 0.9
    return values


def noise() -> Floats:
    """Isolated pixels."""
    values = np.zeros(NOISE, np.float32)
    values[::2, ::2] = 0.9
    return values


if __name__ == "__main__":
    main()
