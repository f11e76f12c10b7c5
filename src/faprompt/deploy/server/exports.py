"""A batch as a file: CSV, labels, JSON lines, COCO, or one HTML page. Texts are made row by row."""

import csv
import heapq
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from PIL import Image

from faprompt.deploy.server.database import Row
from faprompt.deploy.server.render import Renderer
from faprompt.deploy.server.replies import item_reply
from faprompt.deploy.server.stations import Stations
from faprompt.detection.decision import VERDICTS
from faprompt.detection.page import Card, Page, Picture, render_page
from faprompt.detection.region_tables import CATEGORY, coco_region
from faprompt.detection.score_axis import threshold_text
from faprompt.detection.station import Station
from faprompt.errors import DataError

COLUMNS = (
    "name",
    "image_score",
    "verdict",
    "margin",
    "label",
    "status",
    "error",
    "width",
    "height",
    "regions",
    "pixel_max",
    "milliseconds",
    "sha256",
    "model_sha256",
    "station",
    "id",
)
LABEL_COLUMNS = (
    *("label", "image", "picked", "decision", "margin", "image_score", "peak", "path"),
    *("sha256", "model_sha256", "station_sha256"),
)
"""Of the labels.csv of a review."""
MOST_CARDS = 200
"""Images of a page: with their pictures within, it has to be opened by a browser."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Spreadsheets would run what begins so; a client chose the name."""

Rows = Iterable[Row]


@dataclass(frozen=True, kw_only=True, slots=True)
class Export:
    """One form of export."""

    ending: str
    media_type: str
    write: "Callable[[Row, Rows, Sources], Iterator[str]]"
    """Batch, its items in their order, and what else is needed, to pieces of text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """Where an export takes what rows do not hold."""

    renderer: Renderer
    stations: Stations


def _csv(_: Row, items: Rows, __: Sources) -> Iterator[str]:
    return _table(COLUMNS, (item | {"regions": len(item["regions"])} for item in items))


def _labels(_: Row, items: Rows, sources: Sources) -> Iterator[str]:
    """Labels as ``faprompt review`` reads them, to recalibrate a station.

    What people label on a desk is no fair sample of what is to come: all of it counts as picked
    because it was uncertain, which can raise thresholds and never lower them.
    """
    known = {ident: station.sha256 for ident, station in sources.stations.all()}
    rows = (
        item
        | {
            "image": item["name"],
            "path": item["name"],
            "picked": "uncertain",
            "decision": item["verdict"],
            "peak": item["pixel_max"],
            "station_sha256": known.get(item["station"] or ""),
        }
        for item in items
        if item["label"] is not None and item["status"] == "done"
    )
    return _table(LABEL_COLUMNS, rows)


def _table(columns: Sequence[str], rows: Rows) -> Iterator[str]:
    """CSV in pieces; an empty value is None."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in columns])
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    yield text.getvalue()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _jsonl(_: Row, items: Rows, __: Sources) -> Iterator[str]:
    for item in items:
        yield item_reply(item).model_dump_json() + "\n"


def _coco(batch: Row, items: Rows, _: Sources) -> Iterator[str]:
    """Regions as annotations of one category; scores are peaks of the map."""
    images: list[Row] = []
    annotations: list[Row] = []
    for number, item in enumerate((i for i in items if i["status"] == "done"), start=1):
        images.append(
            {
                "id": number,
                "file_name": item["name"],
                "width": item["width"],
                "height": item["height"],
                "image_score": item["image_score"],
                "sha256": item["sha256"],
            }
        )
        for region in item["regions"]:
            annotations.append(coco_region(region, len(annotations) + 1, number))
    yield json.dumps(
        {
            "info": {"description": batch["name"], "date_created": batch["created"]},
            "images": images,
            "annotations": annotations,
            "categories": [CATEGORY],
        }
    )


def _html(batch: Row, items: Rows, sources: Sources) -> Iterator[str]:
    done = [item for item in items if item["status"] == "done"]
    shown = heapq.nlargest(MOST_CARDS, done, key=lambda item: item["image_score"])
    made = datetime.fromisoformat(batch["created"]).astimezone(UTC)
    intro = [f"{len(done)} images, made {made:%Y-%m-%d %H:%M} UTC."]
    if verdicts := Counter(item["verdict"] for item in done if item["verdict"]):
        intro[0] += f" {', '.join(f'{verdicts[one]} {one}' for one in VERDICTS)}."
    if len(shown) < len(done):
        intro.append(f"Shown are the {len(shown)} most anomalous ones; CSV and JSON have all.")
    stations = sorted({item["station"] for item in done if item["station"]})
    footer = [f"Model {name}" for name in sorted({item["model_sha256"] for item in done})]
    footer += [_station(name, sources.stations.get(name)) for name in stations]
    yield render_page(
        Page(
            title=batch["name"],
            intro=tuple(intro),
            cards=tuple(_card(item, sources.renderer) for item in shown),
            groups=VERDICTS[::-1],
            footer=tuple(footer),
        )
    )


def _station(ident: str, station: Station | None) -> str:
    """A station by name with its thresholds; one that the desk has no more by its id."""
    if station is None:
        return f"Station {ident}"
    ng, unsure = map(threshold_text, (station.threshold, station.review_threshold))
    return f"Station {station.product}: NG from {ng}, UNSURE from {unsure} ({station.sha256})"


def _card(item: Row, renderer: Renderer) -> Card:
    label = {"ok": "labelled OK", "ng": "labelled NG"}.get(item["label"] or "", "")
    words = [word for word in (item["verdict"], label) if word]
    return Card(
        title=item["name"],
        group=item["verdict"] or "Images",
        scores=(("image score", item["image_score"]),),
        pictures=(
            Picture(caption="image", alt="the image", image=_drawn(renderer.image, item)),
            Picture(caption="heat map", alt="its heat map", image=_drawn(renderer.overlay, item)),
        ),
        tag=", ".join(words),
        anomalous={"ok": False, "ng": True}.get(item["label"] or ""),
    )


def _drawn(draw: Callable[..., tuple[bytes, str]], item: Row) -> Image.Image | None:
    try:
        return Image.open(io.BytesIO(draw(item, "thumb")[0]))
    except (DataError, FileNotFoundError):  # taken out of the folder by hand
        return None


EXPORTS = {
    "csv": Export(ending=".csv", media_type="text/csv", write=_csv),
    "labels": Export(ending=".labels.csv", media_type="text/csv", write=_labels),
    "jsonl": Export(ending=".jsonl", media_type="application/jsonl", write=_jsonl),
    "coco": Export(ending=".coco.json", media_type="application/json", write=_coco),
    "html": Export(ending=".html", media_type="text/html", write=_html),
}
