"""A real cluster of two nodes whose workers, drivers and nodes are killed.

Ray's own threads and sockets warn when they are killed: those warnings are not ours.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import two_nodes
from completeness import assert_complete, rows_of
from many_images import draw_images, whole_run
from PIL import Image
from random_model import noisy_parts, random_model, run
from served import served

from faprompt.errors import CheckpointError, ConfigError, OutputError
from faprompt.scale.engines import RayEngine
from faprompt.scale.store import Store

cluster = two_nodes.cluster
pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]

DRIVER = """
import sys
from many_images import whole_run
from faprompt.scale.engines import RayEngine
inputs, out, address = sys.argv[1:]
whole_run([inputs], out, RayEngine(address=address, actors=2), seconds=0.05, workers=1)
"""
DRIVER_KILLS = 8


def workers(folder: Path) -> Iterator[int]:
    """Living workers among those that wrote down their process number."""
    for path in folder.iterdir() if folder.is_dir() else ():
        line = Path(f"/proc/{path.name}/cmdline")
        try:
            if line.read_bytes().startswith(b"ray::"):
                yield int(path.name)
        except OSError:
            continue


class Killer(threading.Thread):
    """Sends SIGKILL to workers at random moments."""

    def __init__(self, pids: Path, *, kills: int) -> None:
        super().__init__(daemon=True)
        self.pids, self.kills, self.done = pids, kills, 0
        self.stopped = threading.Event()

    def run(self) -> None:
        chance = random.Random(3)
        while self.done < self.kills and not self.stopped.wait(chance.uniform(0.1, 0.6)):
            if living := list(workers(self.pids)):
                os.kill(chance.choice(living), signal.SIGKILL)
                self.done += 1


def test_rows_are_those_of_one_process(cluster: Any, tmp_path: Path) -> None:
    paths = draw_images(tmp_path / "in", 41)
    summary = whole_run(
        [str(tmp_path / "in")], tmp_path / "ray", RayEngine(address=cluster.address)
    )
    alone = whole_run([str(tmp_path / "in")], tmp_path / "alone")
    assert_complete(tmp_path / "ray", paths)
    untimed = [[r | {"milliseconds": 0} for r in rows_of(tmp_path / n)] for n in ("ray", "alone")]
    assert untimed[0] == untimed[1]
    assert (summary.inputs, summary.errors, summary.top) == (alone.inputs, alone.errors, alone.top)
    errors = [(tmp_path / n / "errors.jsonl").read_bytes() for n in ("ray", "alone")]
    assert errors[0] == errors[1]


def test_workers_killed_at_random(cluster: Any, tmp_path: Path) -> None:
    paths = draw_images(tmp_path / "in", 240)
    killer = Killer(tmp_path / "pids", kills=5)
    killer.start()
    whole_run(
        [str(tmp_path / "in")],
        tmp_path / "out",
        RayEngine(address=cluster.address, actors=2),
        seconds=0.1,
        pids=str(tmp_path / "pids"),
    )
    killer.stopped.set()
    assert killer.done >= 3
    assert len(list((tmp_path / "pids").iterdir())) >= 2 + 3  # new ones took their place
    assert_complete(tmp_path / "out", paths)


def test_drivers_killed_at_random(cluster: Any, tmp_path: Path) -> None:
    paths = draw_images(tmp_path / "in", 160)
    chance, counts = random.Random(5), []
    command = [sys.executable, "-c", DRIVER, str(tmp_path / "in"), str(tmp_path / "out")]
    shards = Store(tmp_path / "out")
    for number in range(DRIVER_KILLS + 1):
        before = len(shards.names("shards"))
        process = subprocess.Popen([*command, cluster.address], stderr=subprocess.DEVNULL)
        while process.poll() is None and len(shards.names("shards")) == before:
            time.sleep(0.05)  # until it works
        try:
            process.wait(chance.uniform(0.0, 0.6) if number < DRIVER_KILLS else None)
        except subprocess.TimeoutExpired:
            process.kill()
        if process.wait() == 0:
            break
        assert process.returncode == -signal.SIGKILL
        counts.append(len(shards.names("shards")))
    assert process.returncode == 0
    assert len(set(counts)) >= 2
    assert_complete(tmp_path / "out", paths)


def test_a_node_dies_with_its_workers(cluster: Any, tmp_path: Path) -> None:
    paths = draw_images(tmp_path / "in", 120)
    extra = cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
    lost, over = threading.Event(), threading.Event()

    def lose() -> None:
        while len(list(workers(tmp_path / "pids"))) < 3:
            if over.wait(0.05):
                return
        cluster.remove_node(extra, allow_graceful=False)
        lost.set()

    thread = threading.Thread(target=lose, daemon=True)
    thread.start()
    whole_run(
        [str(tmp_path / "in")],
        tmp_path / "out",
        RayEngine(address=cluster.address, actors=3),
        seconds=0.1,
        pids=str(tmp_path / "pids"),
    )
    over.set()
    thread.join()
    assert lost.is_set()
    assert_complete(tmp_path / "out", paths)


def test_our_errors_come_back_from_workers(cluster: Any, tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 5)
    engine = RayEngine(address=cluster.address, actors=1)
    with pytest.raises(CheckpointError, match="another grey"):
        whole_run([str(tmp_path / "in")], tmp_path / "out", engine, refuse="another grey")
    assert Store(tmp_path / "out").names("shards") == set()


def test_what_kills_every_worker_ends_the_run(cluster: Any, tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 5)
    engine = RayEngine(address=cluster.address, actors=1, retries=1)
    with pytest.raises(OutputError, match="workers died 2 times at the same task"):
        whole_run([str(tmp_path / "in")], tmp_path / "out", engine, dies=True)
    assert len(rows_of_run(tmp_path)) == 5


def rows_of_run(folder: Path) -> list[Any]:
    """Another worker finishes what the first ones could not."""
    whole_run([str(folder / "in")], folder / "out")
    return rows_of(folder / "out")


def test_a_worker_with_a_gpu_works_where_there_is_one(cluster: Any, tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 9)
    pids = str(tmp_path / "pids")
    engine = RayEngine(address=cluster.address, gpus=1)
    whole_run([str(tmp_path / "in")], tmp_path / "out", engine, pids=pids)
    assert len(list((tmp_path / "pids").iterdir())) == 1  # two CPUs, but one GPU
    assert len(rows_of(tmp_path / "out")) == 9


def test_more_than_the_cluster_has_is_refused(cluster: Any, tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 5)
    engine = RayEngine(address=cluster.address, gpus=2)
    with pytest.raises(ConfigError, match="2 GPUs; the cluster has 2 and 1"):
        whole_run([str(tmp_path / "in")], tmp_path / "out", engine)


def test_commands_say_the_same_on_a_cluster(cluster: Any, tmp_path: Path) -> None:
    """Scores, figures and cached features of a model: identical, since the batches are."""
    parts = noisy_parts(tmp_path / "parts", each=5)
    (tmp_path / "model").mkdir()
    model = [*random_model(tmp_path / "model"), "--precision", "fp32", "--device", "cpu"]
    outs: dict[str, Any] = {}
    for engine in ("local", "ray"):
        how = ["--engine", engine]
        how += ["--ray-address", cluster.address, "--actors", "2"] if engine == "ray" else []
        out = tmp_path / engine
        few = ["--shard-size", 4, *how, *model]
        assert run("predict", parts, "--out", out / "p", *few).exit_code == 0
        figures = ["--out", out / "e", "--json", out / "e.json"]
        assert run("evaluate", "--data", parts, *figures, *few).exit_code == 0
        learned = run(
            "train", "--data", parts, "--out", out / "t", "--cache", out / "cache", *how,
            *model[2:], "--input-size", 64, "--epochs", 1, "--select", "fixed:1",
        )  # fmt: skip
        assert learned.exit_code == 0, learned.output
        rows = [{**row, "milliseconds": 0} for row in rows_of(out / "p")]
        told = json.loads((out / "e.json").read_text())
        cache = {p.name: p.read_bytes() for p in (out / "cache").rglob("*.safetensors")}
        outs[engine] = rows, {k: told[k] for k in ("classes", "mean", "counts")}, cache
    assert len(outs["local"][0]) == 15
    assert len(outs["local"][2]) == 10
    assert outs["ray"] == outs["local"]


def test_options_say_the_same_on_a_cluster(cluster: Any, tmp_path: Path) -> None:
    """What is read from files here is sent to the workers: a station, a mask; not the references,
    which all of them read."""
    parts = noisy_parts(tmp_path / "parts", each=4)
    (tmp_path / "model").mkdir()
    model = [*random_model(tmp_path / "model"), "--precision", "fp32", "--device", "cpu"]
    mask = np.zeros((40, 30), np.uint8)
    mask[:25, :20] = 255
    Image.fromarray(mask).save(tmp_path / "roi.png")
    areas, station = ("--roi", tmp_path / "roi.png"), ("--station", tmp_path / "s.json")
    calibrated = run(
        "calibrate", "--normal", parts / "normal", "--out", station[1], "--false-alarms", 0.25,
        *areas, *model,
    )  # fmt: skip
    assert calibrated.exit_code == 0, calibrated.output
    regions = ("--regions", "--pixel-threshold", 0.45, "--maps")
    kinds = {
        "station": (*areas, *station, *regions),
        "reference": ("--reference", parts / "normal"),
        "tile": ("--tile", 24, "--whole"),
    }
    ray = ("--ray-address", cluster.address, "--actors", 2)
    for name, options in kinds.items():
        for engine, how in (("local", ()), ("ray", ray)):
            out = tmp_path / engine / name
            command = ("predict", parts, "--out", out, "--engine", engine, "--shard-size", 4)
            done = run(*command, *how, *options, *model)
            assert done.exit_code == 0, done.output
        places = [tmp_path / engine / name for engine in ("local", "ray")]
        rows = [[row | {"milliseconds": 0} for row in rows_of(place)] for place in places]
        assert rows[0] == rows[1]
        assert len(rows[0]) == 12
        files = [
            {p.relative_to(place): p.read_bytes() for p in place.rglob("*") if is_result(p)}
            for place in places
        ]
        assert files[0] == files[1]
        assert len(files[0]) == (1 + 2 + 2 * 12 if name == "station" else 1)


def is_result(path: Path) -> bool:
    """Whether it is a picture or a file that is made of all shards and tells no times."""
    pictures = path.suffix in {".png", ".jpg"}
    return pictures or path.name in {"errors.jsonl", "regions.csv", "regions.coco.json"}


def test_images_are_read_over_http_by_workers(cluster: Any, tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 12)
    whole_run([str(tmp_path / "in")], tmp_path / "here")
    with served(tmp_path / "in") as url:
        whole_run([f"{url}/"], tmp_path / "out", RayEngine(address=cluster.address, actors=2))
    here = [row["image_score"] for row in rows_of(tmp_path / "here")]
    assert [row["image_score"] for row in rows_of(tmp_path / "out")] == here
    assert next(row["path"] for row in rows_of(tmp_path / "out")) == f"{url}/0000.png"
