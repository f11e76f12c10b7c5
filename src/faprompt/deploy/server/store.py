"""Batches and their items as rows. Every change of an item gets a number, larger than all before.

A client that remembers the last number it saw asks for what changed since, and misses nothing.
"""

import json
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from faprompt.deploy.server import changes
from faprompt.deploy.server.database import Database, Row
from faprompt.deploy.server.names import new_id

STATUSES = ("waiting", "running", "done", "failed", "cancelled")
RECENT = 50
"""Finished items that the speed of a batch is measured on."""
PAGE = 500
"""Rows read at a time where all are wanted."""


class Store:
    """What is known of batches and items."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def recover(self) -> list[Row]:
        """Take up where a process ended, however: what ran, waits again.

        Returns:
            All waiting items in the order in which they came, with the batch's tile.
        """
        with self.database.change() as connection:
            running = changes.ids(connection, "SELECT id FROM items WHERE status = 'running'")
            changes.touch(connection, running, {"status": "waiting"})
        return self.database.rows(
            "SELECT items.*, batches.tile FROM items JOIN batches ON batches.id = items.batch "
            "WHERE status = 'waiting' ORDER BY number"
        )

    # Batches

    def add_batch(self, name: str, *, model: str, station: str | None, tile: str | None) -> str:
        """Make a batch; its id."""
        batch = new_id()
        with self.database.change() as connection:
            connection.execute(
                "INSERT INTO batches (id, name, model, station, tile, created) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (batch, name, model, station, tile, changes.now()),
            )
        return batch

    def batch(self, batch: str) -> Row | None:
        """A batch with its counts, or None."""
        row = self.database.row("SELECT * FROM batches WHERE id = ?", (batch,))
        return self._described(row) if row else None

    def batches(self) -> list[Row]:
        """All batches, the newest first."""
        rows = self.database.rows("SELECT * FROM batches ORDER BY created DESC, rowid DESC")
        return [self._described(row) for row in rows]

    def _described(self, row: Row) -> Row:
        found = self.database.rows(
            "SELECT status, count(*) AS count, max(change) AS change FROM items WHERE batch = ? "
            "GROUP BY status",
            (row["id"],),
        )
        counts = dict.fromkeys(STATUSES, 0) | {each["status"]: each["count"] for each in found}
        return row | {
            "counts": counts,
            "change": max((each["change"] for each in found), default=0),
            "status": _status(counts, cancelled=bool(row["cancelled"])),
            "images_per_second": self._speed(row["id"]),
        }

    def _speed(self, batch: str) -> float | None:
        row = self.database.row(
            "SELECT count(*) AS count, min(started) AS first, max(finished) AS last FROM "
            "(SELECT started, finished FROM items WHERE batch = ? AND finished IS NOT NULL "
            "ORDER BY finished DESC LIMIT ?)",
            (batch, RECENT),
        )
        if row is None or not row["count"] or row["last"] <= row["first"]:
            return None
        return float(row["count"] / (row["last"] - row["first"]))

    def rename_batch(self, batch: str, name: str) -> None:
        """Give a batch another name."""
        with self.database.change() as connection:
            connection.execute("UPDATE batches SET name = ? WHERE id = ?", (name, batch))

    def set_station(
        self, batch: str, station: str | None, decisions: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Let a batch be judged by another station; new values per finished item."""
        with self.database.change() as connection:
            connection.execute("UPDATE batches SET station = ? WHERE id = ?", (station, batch))
            for item, values in decisions.items():
                changes.touch(connection, [item], {**values, "station": station})

    def cancel_batch(self, batch: str) -> None:
        """Cancel what waits; what runs is finished."""
        with self.database.change() as connection:
            connection.execute("UPDATE batches SET cancelled = 1 WHERE id = ?", (batch,))
            query = "SELECT id FROM items WHERE batch = ? AND status = 'waiting'"
            changes.touch(
                connection, changes.ids(connection, query, (batch,)), {"status": "cancelled"}
            )

    def delete_batch(self, batch: str) -> list[Row]:
        """Remove a batch and its items; id and content of these."""
        with self.database.change() as connection:
            rows = connection.execute("SELECT id, sha256 FROM items WHERE batch = ?", (batch,))
            items = [dict(row) for row in rows]
            connection.execute("DELETE FROM batches WHERE id = ?", (batch,))
        return items

    # Items

    def add_item(self, batch: str, values: Mapping[str, Any]) -> Row | None:
        """Add a waiting item, and open the batch again if it was cancelled; None: no such batch."""
        item = {**values, **changes.waiting(batch)}
        with self.database.change() as connection:
            cursor = connection.execute("UPDATE batches SET cancelled = 0 WHERE id = ?", (batch,))
            if not cursor.rowcount:
                return None
            item["change"] = changes.numbers(connection, 1)[0]
            changes.insert(connection, item)
        return self.item(str(item["id"]))

    def item(self, item: str) -> Row | None:
        """One item, or None."""
        row = self.database.row("SELECT * FROM items WHERE id = ?", (item,))
        return _read(row) if row else None

    def known(self, batch: str, name: str, sha256: str) -> Row | None:
        """The item of a batch that has this name and content, if there is one."""
        row = self.database.row(
            "SELECT * FROM items WHERE sha256 = ? AND batch = ? AND name = ?", (sha256, batch, name)
        )
        return _read(row) if row else None

    def changed(self, batch: str, after: int, limit: int) -> list[Row]:
        """Items changed since, in the order of their changes."""
        rows = self.database.rows(
            "SELECT * FROM items WHERE batch = ? AND change > ? ORDER BY change LIMIT ?",
            (batch, after, limit),
        )
        return [_read(row) for row in rows]

    def items(self, batch: str) -> Iterator[Row]:
        """All items of a batch in the order in which they came, read in pages."""
        after = 0
        while rows := self.database.rows(
            "SELECT * FROM items WHERE batch = ? AND number > ? ORDER BY number LIMIT ?",
            (batch, after, PAGE),
        ):
            yield from map(_read, rows)
            after = rows[-1]["number"]

    def shared(self, batch: str, other: str) -> Iterator[tuple[Row, Row]]:
        """Pairs of items of two batches with the same content; the n-th with the n-th of equals."""
        found: dict[str, deque[Row]] = {}
        for row in self.items(other):
            found.setdefault(row["sha256"], deque()).append(row)
        for row in self.items(batch):
            if same := found.get(row["sha256"]):
                yield row, same.popleft()

    def copy_items(self, source: str, batch: str, values: Mapping[str, Any]) -> list[Row]:
        """Let the images of one batch wait in another one, with their labels.

        Args:
            source: Whose images; in their order.
            batch: Where they wait.
            values: Columns of the new items that are not the image's own.
        """
        own = ("name", "sha256", "width", "height", "label")
        rows = [{name: row[name] for name in own} for row in self.items(source)]
        with self.database.change() as connection:
            for row, change in zip(rows, changes.numbers(connection, len(rows)), strict=True):
                changes.insert(
                    connection, row | dict(values) | changes.waiting(batch) | {"change": change}
                )
        return list(self.items(batch))

    def start(self, items: Sequence[str]) -> set[str]:
        """Mark items as running; those that are still wanted.

        One that runs already is tried again: its result could not be kept.
        """
        with self.database.change() as connection:
            marks = ", ".join("?" * len(items))
            query = f"status IN ('waiting', 'running') AND id IN ({marks})"
            found = changes.ids(connection, f"SELECT id FROM items WHERE {query}", tuple(items))
            changes.touch(connection, found, {"status": "running", "started": time.time()})
        return set(found)

    def outlined_otherwise(self, station: str | None, threshold: float | None) -> list[Row]:
        """Finished items of a station whose regions were found at another threshold.

        Args:
            station: None for items without one.
            threshold: None: where the colour of the item's model starts.
        """
        return self.database.rows(
            "SELECT id, region_threshold, colour_low, colour_high FROM items WHERE "
            "status = 'done' AND station IS ? AND region_threshold != coalesce(?, colour_low)",
            (station, threshold),
        )

    def update(self, item: str, values: Mapping[str, Any]) -> None:
        """Set columns of an item."""
        with self.database.change() as connection:
            changes.touch(connection, [item], values)

    def finish(self, item: str, values: Mapping[str, Any]) -> bool:
        """Keep what came of an item; False where it was deleted meanwhile."""
        with self.database.change() as connection:
            written = {**values, "finished": time.time()}
            return bool(changes.touch(connection, [item], written))

    def set_labels(self, batch: str, items: Sequence[str], label: str | None) -> None:
        """Keep what a person says of items of a batch; items of others are left alone."""
        query = "SELECT 1 FROM items WHERE id = ? AND batch = ?"
        with self.database.change() as connection:
            mine = [i for i in items if connection.execute(query, (i, batch)).fetchone()]
            changes.touch(connection, mine, {"label": label})

    def delete_item(self, item: str) -> None:
        """Remove one item."""
        with self.database.change() as connection:
            connection.execute("DELETE FROM items WHERE id = ?", (item,))

    def still_used(self, hashes: Iterable[str]) -> set[str]:
        """Those of some contents that an item still has."""
        query = "SELECT sha256 FROM items WHERE sha256 = ? LIMIT 1"
        return {value for value in set(hashes) if self.database.row(query, (value,))}


def _status(counts: Mapping[str, int], *, cancelled: bool) -> str:
    if counts["waiting"] or counts["running"]:
        return "running"
    if cancelled:
        return "cancelled"
    return "done" if any(counts.values()) else "open"


def _read(row: Row) -> Row:
    return row | {"regions": json.loads(row["regions"])}
