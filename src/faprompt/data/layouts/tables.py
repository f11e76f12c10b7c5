"""Reading the small tables that data sets come with."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from faprompt.config import short
from faprompt.errors import DataError


def read_text(file: Path) -> str:
    """Return the text of a table, without the mark that some editors put before it.

    Raises:
        DataError: the file cannot be read as UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: not readable as UTF-8 text ({error})") from error


def rows_of(file: Path, needed: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file by column (lower case); spaces around values are dropped.

    Raises:
        DataError: the file cannot be read, lacks a column of ``needed`` or has a row that is short.
    """
    reader = csv.reader(io.StringIO(read_text(file), newline=""), skipinitialspace=True)
    header = [name.strip().lower() for name in next(_whole_rows(file, reader), [])]
    if missing := [name for name in needed if name not in header]:
        raise DataError(
            f"{file}: has no column {missing[0]!r}, only {short(header)}; take the original"
        )
    for values in _whole_rows(file, reader):
        if not any(value.strip() for value in values):
            continue
        if len(values) < len(header):
            raise DataError(
                f"{file}: line {reader.line_num} has {len(values)} values; the header has "
                f"{len(header)} columns"
            )
        yield {name: value.strip() for name, value in zip(header, values, strict=False)}


def _whole_rows(file: Path, rows: Iterator[list[str]]) -> Iterator[list[str]]:
    try:
        yield from rows
    except csv.Error as error:
        raise DataError(f"{file}: not a readable table ({error}); take the original") from error
