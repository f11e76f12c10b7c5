"""Parquet files, read in pieces, here or elsewhere. pyarrow is an extra."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from faprompt.data.remote import file_system, is_url
from faprompt.errors import ConfigError, DataError


def require_pyarrow() -> Any:
    """pyarrow.parquet, or how to get it.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError:
        raise ConfigError("Parquet needs pyarrow: pip install 'faprompt[scale]'") from None
    return pyarrow.parquet


def parquet_rows(
    name: str | Path,
    one_of: Sequence[str] | None = None,
    *,
    columns: Sequence[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Rows of a Parquet file; it may be larger than memory.

    Args:
        name: Path or URL.
        one_of: Of these columns the first that the file has is read, alone; None: all.
        columns: Those that are read, if the file has them; None: all.

    Raises:
        DataError: the file cannot be read, or has none of these columns.
    """
    parquet = require_pyarrow()
    try:
        with _opened(str(name)) as file:
            table = parquet.ParquetFile(file)
            names = table.schema_arrow.names
            chosen = [c for c in one_of or columns or names if c in names]
            if one_of is not None:
                chosen = chosen[:1]
            if not chosen:
                raise DataError(f"{name}: has no column {(one_of or ['path'])[0]!r}, only {names}")
            for batch in table.iter_batches(columns=chosen):
                yield from batch.to_pylist()
    except DataError:
        raise
    except Exception as error:  # damaged files fail in many ways inside pyarrow
        raise DataError(f"{name}: not a readable Parquet file ({error})") from error


def _opened(name: str) -> Any:
    if not is_url(name):
        return Path(name).open("rb")
    system, path = file_system(name)
    return system.open(path, "rb")
