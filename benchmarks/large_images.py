"""Resident memory and speed of large images looked at by windows, each in a fresh process.

Tiled, deflated TIFFs of grain with dark spots are written first; then each is looked at and its
maps are written as `faprompt predict --tile` does. Linux only (/proc). Mark: 2 GB at 20,000 x
20,000 pixels with tiny.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from machine import arguments, quiet_start, report
from memory import fresh, status
from numpy.typing import NDArray

from faprompt.data.images import MAX_PIXELS
from faprompt.detection.detector import Detector
from faprompt.detection.look import Look
from faprompt.detection.outputs import PredictionFolder
from faprompt.detection.tiling import Tiling

TILE = 512
SPOT = 24  # pixels across
LIMIT_MB = 2000


def tiles(side: int) -> Iterator[NDArray[np.uint8]]:
    """Grey grain, and a dark spot in every hundredth tile."""
    rng = np.random.default_rng(0)
    grain = rng.normal(150, 6, (TILE, TILE)).clip(0, 255).astype(np.uint8)
    count = -(-side // TILE)
    for number in range(count * count):
        tile = np.roll(grain, rng.integers(TILE, size=2), axis=(0, 1))
        if number % 100 == 50:
            y, x = rng.integers(TILE - SPOT, size=2)
            tile[y : y + SPOT, x : x + SPOT] //= 2
        yield np.repeat(tile[..., None], 3, axis=2)


def write_image(path: str, side: int) -> None:
    """An RGB image of side x side pixels."""
    import tifffile

    tifffile.imwrite(
        path,
        tiles(side),
        shape=(side, side, 3),
        dtype=np.uint8,
        photometric="rgb",
        tile=(TILE, TILE),
        compression="zlib",
        predictor=True,
        maxworkers=1,
    )


def use(queue: Any, path: str, look: Look, max_pixels: int) -> None:
    """Predict one image and write its maps, as the command does; put one row into the queue."""
    quiet_start()
    detector = Detector.load("tiny", device="cpu")
    loaded = status("VmRSS")["VmRSS"]
    seen: list[int] = []
    look = Look(tiling=look.tiling, watch=lambda done, _: seen.append(done))
    started = time.perf_counter()
    stream = detector.predict([Path(path)], max_pixels=max_pixels, look=look)
    prediction = next(stream)
    scored = time.perf_counter()
    folder = PredictionFolder.open(Path(path).with_suffix(""), {})
    folder.add(prediction, PurePosixPath(Path(path).name))
    written = time.perf_counter()
    queue.put(
        {
            "side": prediction.size[0],
            "windows": len(seen),
            "windows/s": len(seen) / (scored - started),
            "scoring s": scored - started,
            "writing s": written - scored,
            "loaded MB": loaded,
            "peak MB": status("VmHWM")["VmHWM"],
        }
    )


def main() -> None:
    """One fresh process per size."""
    parser = arguments(__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[2000, 5000, 20000])
    parser.add_argument("--tile", default="518")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--max-pixels", type=int, default=MAX_PIXELS, help="1: always by windows")
    options = parser.parse_args()
    look = Look(tiling=Tiling.parse(options.tile, whole=options.whole))
    rows: list[dict[str, Any]] = []
    for side in options.sides:
        with tempfile.TemporaryDirectory() as name:
            path = f"{name}/image.tif"
            fresh(write_image, path, side).join()
            queue = multiprocessing.get_context("spawn").Queue()
            process = fresh(use, queue, path, look, options.max_pixels)
            rows.append(queue.get(timeout=3600))
            process.join()
    report(f"tiny, large images by windows of {options.tile}", rows, options.json)
    if any(row["peak MB"] > LIMIT_MB for row in rows if row["side"] ** 2 > options.max_pixels):
        raise SystemExit(f"more than {LIMIT_MB} MB")


if __name__ == "__main__":
    main()
