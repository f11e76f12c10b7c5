"""The plan of a run: its inputs, listed once and cut into shards of equal size.

plan/00000.parquet   inputs in order, one row group per shard, some shards per file
plan.json            written last: how many inputs, how many per shard

A run that goes on reads the plan and lists nothing again, so that shard N always means the same
inputs, whatever has come into the folder since.
"""

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from faprompt.data.loading import in_groups
from faprompt.data.parquet import require_pyarrow
from faprompt.errors import DataError, OutputError
from faprompt.files import parse_json
from faprompt.scale.store import Store

RECORD = "plan.json"
PART_INPUTS = 262_144
"""Inputs per file of the plan: as many are in memory when it is written."""
SHARD_FOLDER = "shards"
PICTURES = ("maps", "masks")
"""Folders with a folder per shard."""
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How many inputs there are and how they are cut."""

    inputs: int
    shard_size: int

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return -(-self.inputs // self.shard_size)

    @property
    def part_shards(self) -> int:
        """Shards per file of the plan."""
        return _part_shards(self.shard_size)

    def size(self, shard: int) -> int:
        """How many inputs a shard has: all have ``shard_size`` but the last."""
        return min(self.shard_size, self.inputs - shard * self.shard_size)

    def first(self, shard: int) -> int:
        """Number of a shard's first input."""
        return shard * self.shard_size


def shard_name(shard: int) -> str:
    """Name of a shard's file; sorted names are in the order of the inputs."""
    return f"{SHARD_FOLDER}/{shard:08d}.parquet"


def picture_name(kind: str, shard: int, index: int, form: str) -> str:
    """Name of a picture of an input: its kind, its shard, its number, its format."""
    return f"{kind}/{shard:08d}/{index:010d}.{form}"


def _part_shards(shard_size: int) -> int:
    return max(1, PART_INPUTS // shard_size)


def _part_name(part: int) -> str:
    return f"plan/{part:05d}.parquet"


def read_plan(store: Store) -> Plan | None:
    """The plan of a run; None where it was not finished.

    Raises:
        OutputError: it is damaged.
    """
    if not store.exists(RECORD):
        return None
    try:
        plan = Plan(**parse_json(store.read(RECORD)))
        if not all(isinstance(n, int) and n > 0 for n in (plan.inputs, plan.shard_size)):
            raise ValueError(str(plan))
        return plan
    except (ValueError, TypeError) as error:
        raise OutputError(f"{store.where(RECORD)}: damaged ({error}); remove the folder") from error


def write_plan(store: Store, rows: Iterable[Mapping[str, Any]], *, shard_size: int) -> Plan:
    """Write the plan of a new run; memory holds the inputs of one part.

    Args:
        store: The run's place.
        rows: Inputs in their order, of equal columns with plain values.
        shard_size: Inputs per shard.

    Raises:
        DataError: there are no inputs.
        OutputError: it cannot be written.
    """
    inputs = 0
    groups = in_groups(rows, shard_size)
    for part, shards in enumerate(in_groups(groups, _part_shards(shard_size))):
        store.write(_part_name(part), _part(shards))
        inputs += sum(map(len, shards))
    if not inputs:
        raise DataError("no inputs found; needed are image files, folders, URLs or manifests")
    plan = Plan(inputs=inputs, shard_size=shard_size)
    store.write(RECORD, (json.dumps(asdict(plan)) + "\n").encode())
    return plan


def inputs_of(store: Store, plan: Plan, shard: int) -> list[Row]:
    """The inputs of one shard, in order; of the file no more than these is read.

    Raises:
        OutputError: the plan is missing or damaged.
    """
    parquet = require_pyarrow()
    name = _part_name(shard // plan.part_shards)
    with store.open(name) as file:
        try:
            group = parquet.ParquetFile(file).read_row_group(shard % plan.part_shards)
            rows: list[Row] = group.to_pylist()
            if len(rows) != plan.size(shard):
                raise ValueError(f"{len(rows)} inputs in shard {shard}, not {plan.size(shard)}")
        except Exception as error:  # damaged files fail in many ways inside pyarrow
            raise OutputError(f"{store.where(name)}: damaged ({error})") from error
    return rows


def _part(shards: Iterable[list[Mapping[str, Any]]]) -> bytes:
    import pyarrow

    parquet = require_pyarrow()
    buffer = io.BytesIO()
    writer = None
    for rows in shards:
        columns = {name: [_plain(row[name]) for row in rows] for name in rows[0]}
        table = pyarrow.table(columns, schema=_schema(rows[0]))
        writer = writer or parquet.ParquetWriter(buffer, table.schema, compression="zstd")
        writer.write_table(table)  # one row group
    assert writer is not None
    writer.close()
    return buffer.getvalue()


def _schema(row: Mapping[str, Any]) -> Any:
    """Columns of whole numbers are called ``label``; all others are texts."""
    import pyarrow

    kinds = {"label": pyarrow.int8()}
    return pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in row])


def _plain(value: Any) -> Any:
    """Texts must be UTF-8: other bytes of a file's name are written out, and then not found."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def pending(store: Store, plan: Plan) -> Iterator[int]:
    """Shards that are not there: nothing but the files tells."""
    done = store.names(SHARD_FOLDER)
    return (i for i in range(plan.shards) if shard_name(i).rpartition("/")[2] not in done)
