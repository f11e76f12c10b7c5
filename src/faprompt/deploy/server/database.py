"""The desk's SQLite file: opened by one process, brought to the current form, safe from kill -9.

Write-ahead logging keeps every finished transaction through the death of the process. One
connection writes and one reads, each behind a lock: rows are small and so are the waits.
"""

import fcntl
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from faprompt.errors import ConfigError, OutputError

Row = dict[str, Any]

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE counter (value INTEGER NOT NULL);
    INSERT INTO counter VALUES (0);
    CREATE TABLE batches (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, model TEXT NOT NULL, station TEXT, tile TEXT,
        cancelled INTEGER NOT NULL DEFAULT 0, created TEXT NOT NULL
    );
    CREATE TABLE items (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
        batch TEXT NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
        name TEXT NOT NULL, sha256 TEXT NOT NULL, status TEXT NOT NULL, error TEXT,
        image_score REAL, verdict TEXT, margin REAL, label TEXT,
        width INTEGER NOT NULL, height INTEGER NOT NULL, milliseconds REAL,
        regions TEXT NOT NULL DEFAULT '[]', region_threshold REAL, pixel_max REAL,
        colour_low REAL, colour_high REAL,
        model TEXT NOT NULL, model_sha256 TEXT NOT NULL, station TEXT,
        created TEXT NOT NULL, started REAL, finished REAL,
        change INTEGER NOT NULL
    );
    CREATE INDEX items_by_change ON items (batch, change);
    CREATE INDEX items_by_status ON items (batch, status);
    CREATE INDEX items_by_time ON items (batch, finished);
    CREATE INDEX items_by_content ON items (sha256);
    CREATE TABLE stations (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, model_sha256 TEXT NOT NULL, body TEXT NOT NULL,
        created TEXT NOT NULL
    );
    """,
)
"""What brings a file from version n to n + 1; append only. ``PRAGMA user_version`` is n."""


class Database:
    """Rows of one desk."""

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises:
            ConfigError: another process has this desk open, or a later release wrote it.
            OutputError: the file is damaged or cannot be written.
        """
        self.path = path
        self._lock_file = _claim(path.with_suffix(".lock"))
        self._locks = threading.RLock(), threading.RLock()
        try:
            self._writer, self._reader = _connect(path), _connect(path)
            self._migrate()
        except sqlite3.Error as error:
            raise OutputError(
                f"{path}: not usable ({error}); restore it or choose another --desk"
            ) from error

    def _migrate(self) -> None:
        version = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise ConfigError(
                f"{self.path}: version {version}, this release reads up to {len(MIGRATIONS)}; "
                "update faprompt"
            )
        for number in range(version, len(MIGRATIONS)):
            script = f"BEGIN; {MIGRATIONS[number]}; PRAGMA user_version = {number + 1}; COMMIT;"
            self._writer.executescript(script)

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """A transaction: everything in the block, or nothing.

        Raises:
            OutputError: the disk is full or the file cannot be written.
        """
        with self._locks[0]:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    yield self._writer
                except BaseException:
                    self._writer.execute("ROLLBACK")
                    raise
                self._writer.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise OutputError(f"{self.path.name}: cannot be written ({error})") from error

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""
        with self._locks[1]:
            return [dict(row) for row in self._reader.execute(query, values)]

    def row(self, query: str, values: Sequence[Any] = ()) -> Row | None:
        """The first row of a query."""
        found = self.rows(query, values)
        return found[0] if found else None

    def close(self) -> None:
        """Close the file and let others open it."""
        with self._locks[0], self._locks[1]:
            self._reader.close()
            self._writer.close()
        self._lock_file.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _claim(path: Path) -> Any:
    """Hold a lock that ends with the process, however that ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise OutputError(
            f"{path.parent}: cannot be written ({error.strerror}); choose another --desk"
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise ConfigError(
            f"{path.parent}: this desk is served by another process; stop that or choose another "
            "--desk"
        ) from None
    return file
