"""Results as a table: ``results.parquet`` with one row per figure, and all summaries."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from faprompt.files import replacing
from faprompt.protocol.cells import CellStore
from faprompt.protocol.runner import Entry, Outcome
from faprompt.protocol.statistics import (
    ALL_METRICS,
    RESAMPLED,
    Difference,
    Measured,
    compare,
    mean_values,
    measure,
)

OURS = "faprompt"
MEAN_CLASS = "(mean)"
"""In place of a class: the plain mean over the classes."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """A column of the tables."""

    transfer: str
    target: str


class Results:
    """Everything that the tables say, computed when it is asked for and then kept."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.plan = outcome.plan
        self._measured: dict[tuple[Key, str], Measured | None] = {}

    @property
    def store(self) -> CellStore:
        """Where the cells are."""
        return self.outcome.store

    @cached_property
    def keys(self) -> tuple[Key, ...]:
        """Targets with figures of at least one method, in the plan's order."""
        found = (Key(e.transfer, e.target) for e in self.outcome.entries if e.cell)
        order = {
            Key(transfer.name, data.name): None
            for transfer in self.plan.transfers
            for data in transfer.targets
        }
        there = set(found)
        return tuple(key for key in order if key in there)

    @property
    def reference(self) -> str:
        """What the others are compared with: FAPrompt, or else the plan's first method."""
        return OURS if OURS in self.plan.methods else self.plan.methods[0]

    def entries(self, key: Key, method: str) -> list[Entry]:
        """Entries of one method on one target, one per seed."""
        return [
            e
            for e in self.outcome.entries
            if (e.transfer, e.target, e.method) == (key.transfer, key.target, method)
        ]

    def cells(self, key: Key, method: str) -> list[str]:
        """Finished cells of one method on one target."""
        return [e.cell for e in self.entries(key, method) if e.cell]

    def measured(self, key: Key, method: str) -> Measured | None:
        """Summaries and resamples; None if no cell is finished."""
        if (key, method) not in self._measured:
            cells = self.cells(key, method)
            self._measured[key, method] = (
                measure(self.store, cells, resamples=self.plan.resamples) if cells else None
            )
        return self._measured[key, method]

    def difference(self, key: Key, method: str, metric: str) -> Difference | None:
        """The reference minus ``method``; None where one is undefined."""
        ours, other = self.measured(key, self.reference), self.measured(key, method)
        return compare(ours, other, metric) if ours and other else None

    def differences(self) -> Iterator[tuple[Key, str, str, Difference]]:
        """Target, method, metric and difference of all that can be compared."""
        for key in self.keys:
            for method in self.plan.methods:
                for metric in RESAMPLED if method != self.reference else ():
                    if found := self.difference(key, method, metric):
                        yield key, method, metric, found

    def rows(self) -> Iterator[Row]:
        """One row per method, transfer, target, class, seed and metric."""
        for entry in self.outcome.entries:
            if entry.cell is None:
                for metric in ALL_METRICS:
                    yield _row(entry, MEAN_CLASS, metric) | {"reason": entry.reason}
                continue
            cell = self.store.read(entry.cell)
            classes = cell["classes"]
            for facts in classes:
                for metric in ALL_METRICS:
                    yield _row(entry, facts["name"], metric) | {
                        "value": facts["values"][metric],
                        "reason": facts["undefined"].get(metric),
                        "images": facts["images"],
                    }
            yield from _mean_rows(entry, classes)


def _mean_rows(entry: Entry, classes: list[dict[str, Any]]) -> Iterator[Row]:
    for metric in ALL_METRICS:
        value = mean_values([facts["values"] for facts in classes], metric)
        reasons = {facts["undefined"][metric] for facts in classes if metric in facts["undefined"]}
        yield _row(entry, MEAN_CLASS, metric) | {
            "value": value,
            "reason": None if value is not None else "; ".join(sorted(reasons)),
            "images": sum(facts["images"] for facts in classes),
        }


def _row(entry: Entry, class_name: str, metric: str) -> Row:
    return {
        "method": entry.method,
        "transfer": entry.transfer,
        "target": entry.target,
        "class": class_name,
        "seed": entry.seed,
        "metric": metric,
        "value": None,
        "reason": None,
        "images": 0,
        "source": "ours",
        "recipe": entry.cell,
    }


def write_parquet(results: Results, path: Path) -> None:
    """Write all rows; undefined figures are null and carry their reason.

    Raises:
        OutputError: the file cannot be written.
    """
    import pyarrow as pa
    from pyarrow import parquet

    texts = ("method", "transfer", "target", "class", "metric", "reason", "source", "recipe")
    kinds = dict.fromkeys(texts, pa.string())
    kinds |= {"seed": pa.int64(), "value": pa.float64(), "images": pa.int64()}
    rows = list(results.rows())
    names = list(_row(results.outcome.entries[0], "", ""))
    schema = pa.schema([(name, kinds[name]) for name in names])
    table = pa.Table.from_pylist(rows, schema=schema)
    with replacing(path) as temporary:
        parquet.write_table(table, temporary)
