"""`tiny`: one 512x512 JPEG from file to saved overlay, and images/s over a folder by batch size.

Mark: 60 ms for the one image, warm.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import DTYPES, arguments, milliseconds, quiet_start, report, timed
from PIL import Image

from faprompt import Detector, Prediction

FOLDER_IMAGES = 32


def picture(path: Path, seed: int) -> Path:
    """A JPEG of 512x512 with structure, not plain noise."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8))
    coarse.resize((512, 512), Image.Resampling.BICUBIC).save(path, quality=90)
    return path


def one_image(detector: Detector, folder: Path, repeats: int) -> tuple[float, float]:
    """Milliseconds from file to prediction, and from there to the saved overlay."""
    path, found = picture(folder / "one.jpg", seed=1), list[Prediction]()

    def predict() -> None:
        found[:] = [detector.predict(path)]

    def save() -> None:
        found[0].overlay().save(folder / "overlay.jpg", quality=90)

    predicted, saved = milliseconds(lambda: timed(predict, save), repeats)
    return predicted, saved


def images_per_second(detector: Detector, paths: list[Path], batch: int) -> float:
    """Over a folder, two threads reading ahead."""
    for _ in detector.predict(paths[:batch], batch_size=batch):
        pass
    started = time.perf_counter()
    count = sum(1 for _ in detector.predict(paths, batch_size=batch))
    return count / (time.perf_counter() - started)


def measured(precisions: Sequence[str], folder: Path, repeats: int) -> Iterator[dict[str, Any]]:
    """One row per precision."""
    paths = [picture(folder / f"{i}.jpg", seed=i) for i in range(FOLDER_IMAGES)]
    for precision in precisions:
        detector = Detector.load("tiny", device="cpu", precision=precision)
        predicted, saved = one_image(detector, folder, repeats)
        row = {"precision": precision, "predict ms": predicted, "overlay and save ms": saved}
        row["file to file ms"] = predicted + saved
        for batch in (1, 4, 8):
            row[f"images/s, batch {batch}"] = images_per_second(detector, paths, batch)
        yield row


def main() -> None:
    """Measure every precision in a folder of its own."""
    parser = arguments(__doc__)
    parser.add_argument("--precision", choices=DTYPES, nargs="+", default=list(DTYPES))
    options = parser.parse_args()
    quiet_start()
    with tempfile.TemporaryDirectory() as name:
        rows = measured(options.precision, Path(name), options.repeats)
        report("tiny, 512x512 JPEG", rows, options.json)


if __name__ == "__main__":
    main()
