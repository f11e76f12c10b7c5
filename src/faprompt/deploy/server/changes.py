"""How items are written: every change gets a number that is larger than all before."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from faprompt.deploy.server.database import Row
from faprompt.deploy.server.names import new_id


def now() -> str:
    """This moment as ISO date and time in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def waiting(batch: str) -> Row:
    """The columns of an item that begins to wait."""
    return {"id": new_id(), "batch": batch, "status": "waiting", "created": now()}


def ids(connection: sqlite3.Connection, query: str, values: Sequence[Any] = ()) -> list[str]:
    """The first column of a query."""
    return [str(row[0]) for row in connection.execute(query, values)]


def numbers(connection: sqlite3.Connection, count: int) -> range:
    """The next numbers of changes."""
    query = "UPDATE counter SET value = value + ? RETURNING value"
    last = int(connection.execute(query, (count,)).fetchone()[0])
    return range(last - count + 1, last + 1)


def insert(connection: sqlite3.Connection, item: Row) -> None:
    """Add an item; its names are columns, never a client's."""
    query = f"INSERT INTO items ({', '.join(item)}) VALUES ({', '.join('?' * len(item))})"
    connection.execute(query, tuple(item.values()))


def touch(connection: sqlite3.Connection, items: Sequence[str], values: Mapping[str, Any]) -> int:
    """Set columns of items, each with a change number of its own; how many there were."""
    if not items:
        return 0
    columns = ", ".join(f"{name} = ?" for name in values)
    query = f"UPDATE items SET {columns}, change = ? WHERE id = ?"
    stored = [json.dumps(v) if isinstance(v, list) else v for v in values.values()]
    changed = 0
    for item, number in zip(items, numbers(connection, len(items)), strict=True):
        changed += connection.execute(query, (*stored, number, item)).rowcount
    return changed
