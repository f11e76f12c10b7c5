"""Exports of a batch, read back by other programs."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from desks import API, GreyModel, client_of, finished_items, new_batch, png, send, served
from fastapi.testclient import TestClient
from PIL import Image
from pycocotools.coco import COCO

from faprompt.deploy.server import schemas


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, str]]:
    """A batch of three images, one of them with two defects, and one that failed."""
    content = np.full((20, 30), 20, np.uint8)
    content[5:9, 10:16] = 200
    content[12:14, 2:4] = 250
    buffer = io.BytesIO()
    Image.fromarray(content).save(buffer, "PNG")
    root = tmp_path_factory.mktemp("desk")
    with client_of(root, served(GreyModel())) as client:
        batch = new_batch(client, name="parts <1>")
        cut = png(9, (400, 400))[:90]
        files = ("=cmd.png", png(20)), ("<b>.png", buffer.getvalue()), ("cut.png", cut)
        send(client, batch, *files)
        item = finished_items(client, batch)[1]
        client.put(f"{API}/items/{item['id']}/label", json={"label": "ng"})
        yield client, batch


def export(desk: tuple[TestClient, str], form: str) -> str:
    client, batch = desk
    reply = client.get(f"{API}/batches/{batch}/export?format={form}")
    assert reply.status_code == 200
    assert reply.headers["content-disposition"].startswith('attachment; filename="parts-1.')
    return reply.text


def test_csv_has_a_row_per_image_and_runs_nothing_in_a_spreadsheet(desk: Any) -> None:
    rows = list(csv.DictReader(io.StringIO(export(desk, "csv"))))
    assert [row["name"] for row in rows] == ["'=cmd.png", "<b>.png", "cut.png"]
    assert [row["status"] for row in rows] == ["done", "done", "failed"]
    assert (rows[1]["label"], rows[1]["regions"]) == ("ng", "2")
    assert float(rows[1]["image_score"]) == pytest.approx(250 / 255)
    assert rows[2]["error"].startswith("image: damaged")


def test_json_lines_are_the_items_of_the_api(desk: Any) -> None:
    client, batch = desk
    lines = [json.loads(line) for line in export(desk, "jsonl").splitlines()]
    items = client.get(f"{API}/batches/{batch}/items?polygons=true").json()["items"]
    assert sorted(lines, key=str) == sorted(items, key=str)
    for line in lines:
        schemas.Item.model_validate(line)


def test_labels_come_with_scores_and_origin(desk: Any) -> None:
    (row,) = csv.DictReader(io.StringIO(export(desk, "labels")))
    assert (row["label"], row["picked"], row["image"]) == ("ng", "uncertain", "<b>.png")
    assert float(row["image_score"]) == float(row["peak"]) == pytest.approx(250 / 255)
    assert (row["model_sha256"], row["station_sha256"]) == ("a" * 64, "")
    assert len(row["sha256"]) == 64


def test_coco_is_read_by_its_own_tools(
    desk: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "coco.json"
    path.write_text(export(desk, "coco"))
    coco = COCO(str(path))
    capsys.readouterr()
    images = coco.loadImgs(coco.getImgIds())
    assert [image["file_name"] for image in images] == ["=cmd.png", "<b>.png"]
    annotations = coco.loadAnns(coco.getAnnIds(imgIds=[images[1]["id"]]))
    assert [(a["bbox"], a["area"]) for a in annotations] == [
        ([2, 12, 2, 2], 4),
        ([10, 5, 6, 4], 24),
    ]
    masks = [coco.annToMask(annotation).sum() for annotation in annotations]
    assert masks == [4, 24]


def test_the_page_is_one_file_with_escaped_names(desk: Any) -> None:
    text = export(desk, "html")
    assert "&lt;b&gt;.png" in text
    assert "<b>.png" not in text
    assert text.count("data:image/jpeg;base64,") == 4
    assert "http://" not in text
    assert "https://" not in text
    assert "labelled NG" in text
    assert f"Model {'a' * 64}" in text


def test_other_forms_are_unknown(desk: Any) -> None:
    client, batch = desk
    assert client.get(f"{API}/batches/{batch}/export?format=exe").status_code == 422
