"""Many images: images/s by engine and workers, and the constants of the cost model.

Each worker computes with one thread, so that two of them use the two cores that one process
with two threads would use.
"""

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}  # before torch

import numpy as np
from machine import arguments, report
from PIL import Image

from faprompt.data.images import open_image
from faprompt.data.transforms import preprocess
from faprompt.scale.engines import Engine, LocalEngine, RayEngine
from faprompt.scale.model import describe
from faprompt.scale.plan import shard_name, write_plan
from faprompt.scale.predicting import FORM, Predicting
from faprompt.scale.run import do_pending, finish, open_run
from faprompt.scale.shards import write_shard
from faprompt.scale.sources import list_inputs
from faprompt.scale.store import Store

SHARD_SIZE = 16
PHOTO = (1600, 1200)


def pictures(folder: Path, count: int) -> None:
    """JPEGs of 512 x 512 pixels with structure."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:05d}.jpg").write_bytes(jpeg((512, 512), seed=number))


def jpeg(size: tuple[int, int], *, seed: int) -> bytes:
    """A JPEG as a camera would write it."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (size[1] // 16, size[0] // 16, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    noisy = np.asarray(image, dtype=np.int16) + rng.integers(-12, 12, (size[1], size[0], 1))
    file = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=85)
    return file.getvalue()


def throughput(engine: Engine, images: Path, out: Path) -> dict[str, float]:
    """Images per second of a whole run, and from its first finished shard to its last."""
    store = Store(out)
    model, _ = describe("tiny", weights=None, device="cpu", precision="fp32")
    rows = ({"path": name} for name in list_inputs([str(images)]))
    plan = open_run(store, {}, lambda: rows, shard_size=SHARD_SIZE)
    recipe = Predicting(
        out=store.root,
        plan=plan,
        model=model,
        batch_size=4,
        workers=1,
        max_pixels=10**8,
        map_format=None,
    )
    started = time.time()
    do_pending(store, plan, recipe, engine)
    finish(store, plan)
    whole = time.time() - started
    # Of the files, since reports come late and together.
    ends = sorted(p.stat().st_mtime for p in (out / "shards").iterdir())
    return {
        "images/s, whole run": plan.inputs / whole,
        "images/s, at work": (plan.inputs - SHARD_SIZE) / (ends[-1] - ends[0]),
        "s until the first shard": ends[0] - started,
    }


def constants(out: Path, names: int) -> list[dict[str, Any]]:
    """What the cost model assumes of this code, measured."""
    photo = jpeg(PHOTO, seed=0)
    out.mkdir()
    (out / "photo.jpg").write_bytes(photo)

    def read() -> None:
        for _ in range(20):
            image = open_image(out / "photo.jpg")
            preprocess(image, size=518, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))

    store = Store(out)
    rows = ({"path": f"s3://factory/line-7/2026-11-24/{n:09d}.jpg"} for n in range(names))
    planned = seconds(lambda: write_plan(store, rows, shard_size=4096))
    size = sum(p.stat().st_size for p in (out / "plan").iterdir())
    return [
        {"constant": f"bytes of a {PHOTO[0]}x{PHOTO[1]} JPEG", "value": len(photo)},
        {"constant": "processor s to decode and resize it", "value": seconds(read) / 20},
        {"constant": "names planned per processor second", "value": names / planned},
        {"constant": "bytes of the plan per name", "value": size / names},
        *(
            {
                "constant": f"bytes per row in shards of {size}{', with decisions' * decided}",
                "value": row_bytes(store, size, decided=decided),
            }
            for size in (512, 4096)
            for decided in (False, True)
        ),
    ]


def row_bytes(store: Store, size: int, *, decided: bool) -> float:
    """Bytes of a shard per row, whose scores, peaks and hashes are chance."""
    random = np.random.default_rng(0)

    def row(index: int) -> dict[str, Any]:
        score, peak = (float(value) for value in random.random(2, dtype=np.float32))
        verdict = {"decision": "NG" if score > 0.99 else "OK", "margin": abs(score - 0.99)}
        return {
            "index": index,
            "path": f"s3://factory/line-7/2026-11-24/{index:09d}.jpg",
            "image_score": score,
            "width": PHOTO[0],
            "height": PHOTO[1],
            "milliseconds": round(random.normal(20, 1), 3),
            "peak": peak,
            "sha256": random.bytes(32).hex(),
            "model_sha256": "a" * 64,
            **(verdict | {"station_sha256": "b" * 64} if decided else {}),
        }

    rows = [row(index) for index in range(size)]
    write_shard(store, 0, rows, form=FORM, seconds=1.0)
    return len(store.read(shard_name(0))) / len(rows)


def seconds(function: Callable[[], Any]) -> float:
    """Processor seconds that a function takes: other work on the machine hardly changes them."""
    started = time.process_time()
    function()
    return time.process_time() - started


def options() -> argparse.Namespace:
    """Options of this benchmark."""
    parser = arguments(__doc__)
    parser.add_argument("--images", type=int, default=256, help="images per run")
    parser.add_argument("--names", type=int, default=1_000_000, help="names in the plan")
    return parser.parse_args()


def main() -> None:
    """One row per engine, then the constants."""
    chosen = options()
    engines: dict[str, Engine] = {
        "local": LocalEngine(),
        "ray, 1 worker": RayEngine(actors=1),
        "ray, 2 workers": RayEngine(actors=2),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures(folder / "in", chosen.images)
        rows = [
            {"engine": text, **throughput(engine, folder / "in", folder / f"out-{number}")}
            for number, (text, engine) in enumerate(engines.items())
        ]
        report("tiny, fp32, 512x512 JPEG, one thread per worker", rows, chosen.json)
        report("constants", constants(folder / "plan", chosen.names), None)


if __name__ == "__main__":
    main()
