"""A shard's file: one row per input, in their order, and what a reader wants to know at once.

A row has either the columns of a result or ``error``, so that a shard tells of its bad inputs
itself. The footer holds counts and the highest scores: telling of a run reads footers alone.
"""

import heapq
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from faprompt.data.loading import map_ordered
from faprompt.data.parquet import require_pyarrow
from faprompt.errors import FAPromptError, OutputError
from faprompt.files import parse_json
from faprompt.scale.plan import Plan, Row, shard_name
from faprompt.scale.region_column import region_type
from faprompt.scale.store import Store

TOP = 20
"""Highest scores that a footer keeps."""
THREADS = 8
"""Footers read at once: of a store elsewhere each takes a round trip."""
_FACTS = b"faprompt"
_KINDS = {
    "index": "int64", "image_score": "float64", "width": "int32", "height": "int32",
    "milliseconds": "float64", "margin": "float64", "peak": "float64", "label": "int8",
    "anomaly_map": "binary", "gt_mask": "binary",
}  # fmt: skip
"""Types of columns; all others but ``regions`` are texts."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a kind of shard holds."""

    columns: tuple[str, ...]
    group: int | None = None
    """Rows that are read at once; None: all."""


def write_shard(
    store: Store,
    shard: int,
    rows: Sequence[Row],
    *,
    form: Form,
    seconds: float,
) -> dict[str, Any]:
    """Write a shard, whole or not at all.

    Args:
        store: The run's place.
        shard: Its number.
        rows: One per input; a missing column is unknown.
        form: Its columns.
        seconds: What it took.

    Returns:
        Its facts: ``rows``, ``errors``, ``seconds``, ``top``, ``decisions``.

    Raises:
        OutputError: it cannot be written.
    """
    import pyarrow

    parquet = require_pyarrow()
    scored = [row for row in rows if row.get("image_score") is not None]
    top = heapq.nlargest(TOP, scored, key=lambda row: row["image_score"])
    facts = {
        "rows": len(rows),
        "errors": sum(row.get("error") is not None for row in rows),
        "seconds": seconds,
        "top": [[row["path"], row["image_score"]] for row in top],
        "decisions": Counter(row["decision"] for row in scored if row.get("decision")),
    }
    fields = [(name, _kind(name)) for name in form.columns]
    schema = pyarrow.schema(fields, metadata={_FACTS: json.dumps(facts).encode()})
    table = pyarrow.table({n: [row.get(n) for row in rows] for n in form.columns}, schema=schema)
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd", row_group_size=form.group)
    store.write(shard_name(shard), buffer.getvalue())
    return facts


def _kind(name: str) -> Any:
    """The Parquet type of a column."""
    import pyarrow

    return region_type() if name == "regions" else getattr(pyarrow, _KINDS.get(name, "string"))()


def read_shard(store: Store, shard: int, columns: Sequence[str] | None = None) -> list[Row]:
    """Rows of a shard, in the order of its inputs.

    Raises:
        OutputError: it is missing or damaged.
    """
    rows: list[Row] = _with_file(store, shard, lambda file: _rows(file, columns))
    return rows


def _rows(file: Any, columns: Sequence[str] | None) -> list[Row]:
    if missing := set(columns or ()) - set(file.schema_arrow.names):
        raise ValueError(f"without the column {min(missing)!r}")
    rows: list[Row] = file.read(columns=columns).to_pylist()
    return rows


def read_batches(
    store: Store, shard: int, columns: Sequence[str], size: int
) -> Iterator[list[Row]]:
    """Rows of a shard, ``size`` at a time, for rows that are large.

    Raises:
        OutputError: it is missing or damaged.
    """
    name = shard_name(shard)
    with store.open(name) as file:
        try:
            for batch in require_pyarrow().ParquetFile(file).iter_batches(size, columns=columns):
                yield batch.to_pylist()
        except Exception as error:  # damaged files fail in many ways inside pyarrow
            raise _damaged(store, name, error) from error


def read_rows(store: Store, plan: Plan, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """Rows of all shards, in the order of the inputs; memory holds one shard.

    Raises:
        OutputError: a shard is missing or damaged.
    """
    for shard in range(plan.shards):
        yield from read_shard(store, shard, columns)


def shard_facts(store: Store, plan: Plan, shard: int) -> dict[str, Any]:
    """Facts of a shard, from its footer.

    Raises:
        OutputError: it is missing, damaged, or has not the rows that the plan says.
    """
    facts: dict[str, Any] = _with_file(store, shard, _facts)
    if facts["rows"] != plan.size(shard):
        raise OutputError(
            f"{store.where(shard_name(shard))}: {facts['rows']} rows, the plan has "
            f"{plan.size(shard)}; remove the file and run the same command again"
        )
    return facts


def _facts(file: Any) -> dict[str, Any]:
    told = parse_json(file.schema_arrow.metadata[_FACTS])
    return {
        "rows": int(told["rows"]),
        "errors": int(told["errors"]),
        "seconds": float(told["seconds"]),
        "top": [(str(path), float(score)) for path, score in told["top"]],
        "decisions": {str(name): int(count) for name, count in told["decisions"].items()},
    }


def all_facts(
    store: Store, plan: Plan, shards: Iterable[int] | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Facts of some shards (None: of all), in order; see :func:`shard_facts`."""
    wanted = range(plan.shards) if shards is None else shards
    results = map_ordered(lambda s: shard_facts(store, plan, s), wanted, workers=THREADS)
    for shard, facts in results:
        if isinstance(facts, FAPromptError):
            raise facts
        yield shard, facts


def _with_file(store: Store, shard: int, use: Any) -> Any:
    parquet = require_pyarrow()
    name = shard_name(shard)
    with store.open(name) as file:
        try:
            return use(parquet.ParquetFile(file))
        except Exception as error:  # damaged files fail in many ways inside pyarrow
            raise _damaged(store, name, error) from error


def _damaged(store: Store, name: str, error: Exception) -> OutputError:
    return OutputError(
        f"{store.where(name)}: damaged ({error}); remove the file and run the same command again"
    )
