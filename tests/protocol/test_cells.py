"""Cells on disk: whole, found again, logged once."""

import json
from pathlib import Path

import numpy as np
import pytest

from faprompt.errors import OutputError
from faprompt.metrics.bootstrap import bin_maps
from faprompt.protocol.cells import CellStore, ClassPart, recipe_hash


def part(name: str = "nut") -> ClassPart:
    mask = np.array([[True, False], [False, False]])
    pair = (np.array([[0.9, 0.1], [0.2, 0.3]], dtype=np.float32), mask)
    return ClassPart(
        facts={"name": name, "values": {"image_auroc": 0.5}, "undefined": {}},
        paths=["a.png"],
        labels=np.array([1]),
        scores=np.array([0.25]),
        known=np.array([0]),
        bins=bin_maps(lambda: [pair], 1),
    )


def test_a_class_comes_back_as_it_was(tmp_path: Path) -> None:
    store = CellStore(tmp_path / "cells")
    kept = part()
    store.write_part("x", 0, kept)
    found = store.read_part("x", 0)
    assert (found.facts, found.paths) == (kept.facts, kept.paths)
    assert np.array_equal(found.scores, kept.scores)
    assert found.bins is not None
    assert kept.bins is not None
    assert np.array_equal(found.bins.overlap, kept.bins.overlap)
    assert np.array_equal(found.bins.edges, kept.bins.edges)


def test_a_cell_holds_its_recipe_and_all_classes(tmp_path: Path) -> None:
    store = CellStore(tmp_path / "cells")
    for number, name in enumerate(("bolt", "nut")):
        store.write_part("x", number, part(name))
    assert not store.done("x")
    store.finish("x", {"seed": 3}, {"peak_memory_bytes": 7})
    cell = store.read("x")
    assert store.done("x")
    assert (cell["recipe"]["seed"], cell["peak_memory_bytes"]) == (3, 7)
    assert [c["name"] for c in cell["classes"]] == ["bolt", "nut"]
    assert [p.facts["name"] for p in store.parts("x")] == ["bolt", "nut"]


def test_figures_are_logged_once_with_the_recipe_s_hash(tmp_path: Path) -> None:
    store = CellStore(tmp_path / "cells")
    store.write_part("x", 0, part())
    store.finish("x", {"seed": 3}, {})
    store.log_once(["x", "x"])
    (line,) = map(json.loads, store.log.read_text().splitlines())
    assert line["hash"] == "x"
    assert line["figures"] == {"nut": {"image_auroc": 0.5, "undefined": {}}}
    assert line["recipe"]["seed"] == 3


def test_a_torn_line_of_the_log_is_written_again(tmp_path: Path) -> None:
    store = CellStore(tmp_path / "cells")
    store.write_part("x", 0, part())
    store.log.write_text('{"hash": "x", "fig')
    store.finish("x", {}, {})
    torn, whole = store.log.read_text().splitlines()
    assert json.loads(whole)["hash"] == "x"
    assert torn == '{"hash": "x", "fig'


def test_damaged_files_are_named(tmp_path: Path) -> None:
    store = CellStore(tmp_path / "cells")
    store.write_part("x", 0, part())
    store.part_path("x", 0).write_bytes(b"PK broken")
    with pytest.raises(OutputError, match=r"class-000\.npz: damaged .*remove it"):
        store.read_part("x", 0)
    (tmp_path / "cells" / "x.json").write_text("{")
    with pytest.raises(OutputError, match=r"x\.json: damaged"):
        store.read("x")


def test_recipes_are_named_by_content_not_by_order() -> None:
    assert recipe_hash({"a": 1, "b": 2}) == recipe_hash({"b": 2, "a": 1})
    assert recipe_hash({"a": 1, "b": 2}) != recipe_hash({"a": 1, "b": 3})
    assert len(recipe_hash({})) == 64
