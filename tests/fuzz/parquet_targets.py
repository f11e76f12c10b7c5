"""Parquet: manifests as bytes of a file and as whole files with odd tables, and shards of runs."""

import io
import json
import shutil
import tempfile
from contextlib import suppress
from datetime import date
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from faprompt.data.datasets import load_dataset
from faprompt.errors import FAPromptError
from faprompt.scale.labelled import labelled_rows
from faprompt.scale.plan import Plan, Row, inputs_of, read_plan, shard_name, write_plan
from faprompt.scale.run import finish
from faprompt.scale.shards import Form, write_shard
from faprompt.scale.sources import list_inputs
from faprompt.scale.store import Store

NAMES = (
    "path", "label", "mask", "mask_rule", "class", "type", "image", "PATH ", "specie_name", "x", "",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    "a.png", "b.png", "", "0", "1", "good", "nonzero", "auto", "-1", "nan", "\u202e\n", "x" * 300,
    None, 0, 1, -1, 2**62, 0.0, 1.0, float("nan"), float("inf"), True, False, b"\xff\xfe",
    date(2020, 1, 1), Decimal("1.5"), [1], [], {"a": 1},
)  # fmt: skip
TYPES = ("string", "large_string", "binary", "int8", "int64", "float32", "float64", "bool_")
COMPRESSIONS = ("none", "zstd", "snappy", "gzip")
PATHS = 0
"""Place of the value that every reader takes for a path."""


class Choices:
    """Bytes as a series of choices; those after the end are all the first one."""

    def __init__(self, data: bytes) -> None:
        self._data = iter(data)

    def number(self, below: int) -> int:
        """A number below another."""
        return next(self._data, 0) % below

    def of(self, values: tuple[Any, ...]) -> Any:
        """One of some values."""
        return values[self.number(len(values))]


def manifest_parquet(data: bytes, folder: Path) -> None:
    """A manifest as a file of Parquet, for every reader of such."""
    path = folder / "m.parquet"
    path.write_bytes(data)
    with suppress(FAPromptError):
        list(islice(list_inputs([str(path)]), 1000))
    with suppress(FAPromptError):
        list(labelled_rows(str(path)))
    load_dataset(path).counts()


def parquet_seeds() -> list[bytes]:
    """Manifests with all columns and with one, and a table without paths."""
    full = {
        "path": ["a.png", "b.png"], "label": [0, 1], "mask": [None, "m.png"],
        "mask_rule": ["auto", "nonzero"], "class": ["nut", "nut"], "type": ["good", "hole"],
    }  # fmt: skip
    tables: list[dict[str, Any]] = [full, {"path": ["a.png"]}, {"x": [1]}]
    return [_file(pyarrow.table(table)) for table in tables]


def parquet_table(data: bytes, folder: Path) -> None:
    """A table whose columns, types and values the bytes choose; some are damaged when written."""
    choices = Choices(data)
    rows = choices.number(4)
    columns = {}
    for number in range(1 + choices.number(5)):
        name = NAMES[PATHS] if number == 0 and choices.number(4) else choices.of(NAMES)
        columns[name] = _column([choices.of(VALUES) for _ in range(rows)], choices)
    content = bytearray(_file(pyarrow.table(columns), choices.of(COMPRESSIONS)))
    for _ in range(choices.number(4) if choices.number(2) else 0):
        place = (choices.number(256) * 256 + choices.number(256)) % len(content)
        content[-1 - place] = choices.number(256)  # what describes the table lies at the end
    manifest_parquet(bytes(content), folder)


def table_seeds() -> list[bytes]:
    """Choices: one row; a row of texts in all columns; rows and columns of anything; damage."""
    return [b"\x01\x00\x01\x00", b"\x01\x04\x01", bytes(range(1, 60)), b"\x02\x00\x01" + bytes(9)]


def _column(values: list[Any], choices: Choices) -> Any:
    """Of the type that is chosen; as it fits where that one does not."""
    kind = getattr(pyarrow, choices.of(TYPES))()
    if choices.number(2):
        values = [value if isinstance(value, str) else "a.png" for value in values]
    for given, more in ((values, {"type": kind}), (values, {}), (map(str, values), {})):
        with suppress(pyarrow.ArrowException, OverflowError, TypeError, ValueError):
            return pyarrow.array(list(given), **more)
    raise AssertionError(values)


def _file(table: Any, compression: str = "none") -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table, buffer, compression=compression, row_group_size=2)
    return buffer.getvalue()


FOOTER = b"faprompt"
"""Under which a shard keeps its facts."""
FORM = Form(("path", "image_score", "error"))


def sharded_run(data: bytes, folder: Path) -> None:
    """What runs of many images find where they go on; the first byte says which file it is."""
    store, whole, _ = _run(folder / "scaled")
    which, rest = data[:1], data[1:]
    names = {b"p": "plan.json", b"i": "plan/00000.parquet"}
    if which == b"f":
        table = pyarrow.table({"path": ["a.png", "b.png"]})
        rest = _file(table.replace_schema_metadata({FOOTER: rest}))
    store.write(names.get(which, shard_name(0)), rest)
    plan = read_plan(store) or whole
    finish(store, plan)
    for shard in range(min(plan.shards, 2)):
        assert len(inputs_of(store, plan, shard)) == plan.size(shard)


def sharded_seeds() -> list[bytes]:
    """Each file as it is written."""
    with tempfile.TemporaryDirectory() as root:
        store, _, facts = _run(Path(root))
        return [
            b"p" + store.read("plan.json"),
            b"i" + store.read("plan/00000.parquet"),
            b"s" + store.read(shard_name(0)),
            b"f" + json.dumps(facts | {"errors": 0}).encode(),
            b"p{}",
        ]


def _run(root: Path) -> tuple[Store, Plan, dict[str, Any]]:
    """A finished run of two inputs, one of them bad, and the facts of its shard."""
    shutil.rmtree(root, ignore_errors=True)
    store = Store(root)
    plan = write_plan(store, [{"path": "a.png"}, {"path": "b.png"}], shard_size=2)
    rows: list[Row] = [{"path": "a.png", "image_score": 0.5}, {"path": "b.png", "error": "bad"}]
    return store, plan, write_shard(store, 0, rows, form=FORM, seconds=1.0)
