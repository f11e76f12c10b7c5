"""The regions of a run as one table and one COCO file, made from its shards."""

from collections.abc import Iterator

from faprompt.detection.region_tables import region_lines, write_coco, write_table
from faprompt.scale.plan import Plan, Row
from faprompt.scale.region_column import from_column
from faprompt.scale.shards import read_batches
from faprompt.scale.store import Store

COLUMNS = ("path", "width", "height", "regions")
ROWS_AT_ONCE = 16
"""In memory: large regions have long outlines."""


def write_region_files(store: Store, plan: Plan) -> None:
    """Write ``regions.csv``, in the order of the inputs, and ``regions.coco.json``.

    Raises:
        OutputError: a shard is missing or damaged, or the files cannot be written.
    """

    def rows() -> Iterator[Row]:
        for shard in range(plan.shards):
            for batch in read_batches(store, shard, COLUMNS, ROWS_AT_ONCE):
                for row in batch:
                    if row["regions"] is not None:
                        yield row | {"regions": from_column(row["regions"])}

    with store.writing("regions.csv") as path:
        write_table(path, region_lines(rows()))
    with store.writing("regions.coco.json") as path:
        write_coco(path, rows)
