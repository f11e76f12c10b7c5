"""What inspection reads: polygons of users, labels of people, and the rows of runs and watches."""

import json
import math
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from station_target import fresh_station

from faprompt.detection.arrivals import State
from faprompt.detection.drift import measure_drift
from faprompt.detection.polygons import fill, looks_like_polygon, parse_polygon, read_polygons
from faprompt.detection.region_files import RegionFolder, RegionSettings
from faprompt.detection.review import pick, recalibrate
from faprompt.detection.review_files import read_labels
from faprompt.detection.rows import read_run, require_relative
from faprompt.detection.watch_log import WatchLog
from faprompt.errors import DataError, FAPromptError

STATION = fresh_station()
ROW: dict[str, Any] = {
    "path": "a.png", "image_score": 0.5, "peak": 0.25, "sha256": "d" * 64, "decision": "UNSURE",
    "model_sha256": STATION.model_sha256, "station_sha256": STATION.sha256, "margin": 0.1,
    "map": "maps/a.png",
}  # fmt: skip
REGION: dict[str, Any] = {
    "polygon": [[0, 0], [2, 0], [2, 2], [0, 0]], "box": [0, 0, 2, 2], "area": 4, "area_mm2": None,
    "peak": 0.5, "mean": 0.25, "prompts": [[1, 0.5]],
}  # fmt: skip


def polygons(data: bytes, folder: Path) -> None:
    """Polygons in a file, or as they are typed; each is filled."""
    text = data.decode(errors="replace")
    if looks_like_polygon(text):
        found = [parse_polygon(text)]
    else:
        (folder / "roi.json").write_bytes(data)
        found = read_polygons(folder / "roi.json")
    assert fill(found, (64, 48)).shape == (48, 64)


def polygon_seeds() -> list[bytes]:
    """One, two, and as they are typed."""
    one = [[0, 0], [20, 0.5], [10, 30]]
    return [
        json.dumps(one).encode(),
        json.dumps({"polygons": [one, [[-5, 1e9], [5, 5], [40, 1], [3, -8]]]}).encode(),
        b"1,1 20,1 20.5,30",
        b"[[1, 2]]",
    ]


def labels(data: bytes, folder: Path) -> None:
    """Labels that were filled in, and the station that follows from them."""
    (folder / "labels.csv").write_bytes(data)
    left_out: list[FAPromptError] = []
    found = read_labels(
        folder / "labels.csv", STATION, on_error=lambda _, error: left_out.append(error)
    )
    assert all(math.isfinite(one.scored.image_score) for one in found)
    recalibrate(STATION, found, labels_sha256="0" * 64)


def label_seeds() -> list[bytes]:
    """Labels of both kinds, and none."""
    columns = "label,image,picked,decision,margin,image_score,peak,path,sha256,model_sha256"
    rest = f"{STATION.model_sha256},{STATION.sha256}"
    lines = [
        f"{columns},station_sha256",
        f"ok,1.png,uncertain,UNSURE,0.1,0.5,0.25,a.png,{'d' * 64},{rest}",
        f"ng,2.png,random,NG,0.1,0.75,0.5,b.png,{'e' * 64},{rest}",
        f",3.png,uncertain,OK,0.1,0.25,0.5,c.png,{'f' * 64},{rest}",
    ]
    text = "\n".join(lines) + "\n"
    return [text.encode(), text.replace(",", ";").encode(), b"label,image\nok,1.png\n"]


def predictions(data: bytes, folder: Path) -> None:
    """Rows of a run, for drift and for review."""
    (folder / "predictions.jsonl").write_bytes(data)
    found = read_run(folder)
    for judged in found:
        with suppress(FAPromptError):
            require_relative(judged.model_sha256, judged.station_sha256, STATION, where="row")
    pick(found, uncertain=2, random=1)
    measure_drift(STATION, [judged.scored.image_score for judged in found])


def prediction_seeds() -> list[bytes]:
    """A hundred rows, whose drift can be measured, two, and one without a station."""
    rows = [json.dumps(ROW | {"sha256": f"{i:064x}"}).encode() for i in range(100)]
    alone = json.dumps({k: v for k, v in ROW.items() if k not in {"decision", "margin"}})
    return [b"\n".join(rows) + b"\n", b"\n".join(rows[:2]), alone.encode(), b'{"path": 1}\n']


def watch_log(data: bytes, folder: Path) -> None:
    """What a watch finds of an earlier one; the first byte says where."""
    root = folder / "watch"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    (root / "watch.json").write_text('{"watched": "x"}')
    names = {b"r": "predictions.jsonl", b"e": "errors.jsonl"}
    (root / names.get(data[:1], "watch.json")).write_bytes(data[1:])
    found = WatchLog(root, "x")
    found.last_frame("a.mp4", State(1, 2))
    found.add({"path": "b.png"})


def watch_seeds() -> list[bytes]:
    """Rows of files, of a video and of a camera, an error, and the record."""
    state = {"bytes": 1, "modified_ns": 2}
    rows = [ROW | state, ROW | state | {"source": "a.mp4", "frame": 3}, ROW | {"kept": "x.png"}]
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    error = json.dumps({"path": "a.png", "error": "bad", **state}).encode()
    return [b"r" + lines, b"e" + error + b"\n", b'j{"watched": "x"}', b'j{"watched": "y"}']


def region_rows(data: bytes, folder: Path) -> None:
    """Regions of a run that goes on and ends."""
    root = folder / "regions"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    (root / "regions.jsonl").write_bytes(data)
    RegionFolder(root, RegionSettings(pixel_threshold=0.5), done={"a.png", "b.png"}).finish()
    whole = (root / "regions.jsonl").read_bytes().count(b"\n")
    if whole < data.count(b"\n"):
        raise DataError("lines are left out")


def region_seeds() -> list[bytes]:
    """Rows with and without regions."""
    row = {"path": "a.png", "width": 4, "height": 3, "mask": "masks/a.png", "regions": [REGION]}
    more = row | {"path": "b.png", "regions": []}
    return [b"".join(json.dumps(each).encode() + b"\n" for each in (row, more)), b"{}\n"]
