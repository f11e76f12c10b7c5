"""What every run over many images must end with, read from its files alone."""

import json
from pathlib import Path

import pytest
from many_images import BAD, grey

from faprompt.scale.plan import Row, read_plan
from faprompt.scale.shards import read_rows
from faprompt.scale.store import Store


def rows_of(out: Path | str) -> list[Row]:
    plan = read_plan(Store(out))
    assert plan is not None
    return list(read_rows(Store(out), plan))


def assert_complete(out: Path, paths: list[Path], bad: tuple[int, ...] = BAD) -> None:
    rows = rows_of(out)
    assert [row["index"] for row in rows] == list(range(len(paths)))
    assert [row["path"] for row in rows] == [str(path) for path in paths]
    for number, row in enumerate(rows):
        if number in bad:
            assert row["image_score"] is None
            assert f"{paths[number]}: not an image" in row["error"]
        else:
            assert row["image_score"] == pytest.approx(grey(number) / 255, abs=1e-6)
            assert (row["width"], row["height"], row["error"]) == (6, 4, None)
    lines = (out / "errors.jsonl").read_text().splitlines()
    assert [json.loads(line)["path"] for line in lines] == [str(paths[n]) for n in bad]
    assert all(json.loads(line)["error"] for line in lines)
