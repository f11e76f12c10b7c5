"""A manifest: one image per line of a CSV file, object of a JSONL file or row of a Parquet file.

Columns (other names for them in ``_COLUMNS``; only ``path`` is needed): path, label, mask,
mask_rule (see ``MaskRule``), class, type. Relative paths are relative to the manifest.
"""

import csv
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from faprompt.config import SHOWN, short
from faprompt.data.files import is_stray, is_there
from faprompt.data.layouts.base import Layout
from faprompt.data.layouts.names import label_of
from faprompt.data.parquet import parquet_rows
from faprompt.data.samples import (
    ANOMALOUS_TYPE,
    MASK_RULES,
    NORMAL_TYPE,
    UNKNOWN_TYPE,
    MaskRule,
    Sample,
)
from faprompt.errors import DataError
from faprompt.files import parse_json

logger = logging.getLogger(__name__)

_COLUMNS = {
    "path": ("path", "image", "image_path", "img_path", "filename", "file_name", "file"),
    "label": ("label", "anomaly", "is_anomalous", "gt_label"),
    "mask": ("mask", "mask_path", "gt_mask"),
    "class": ("class", "class_name", "cls_name", "category", "object"),
    "mask_rule": ("mask_rule",),
    "type": ("type", "anomaly_type", "specie_name", "defect_type", "defect"),
}
PATH_NAMES = _COLUMNS["path"]
"""What the column of paths may be called."""
_MEANING = {name: column for column, names in _COLUMNS.items() for name in names}
_TABLES = {".csv", ".tsv"}
_OBJECTS = {".jsonl", ".ndjson"}
PARQUET_SUFFIX = ".parquet"
_SUFFIXES = {*_TABLES, *_OBJECTS, PARQUET_SUFFIX}
_NAMES = ("manifest.csv", "manifest.jsonl", "manifest.parquet")
_UNKNOWN_LABELS = {"", "-1", "unknown", "none", "null", "nan", "?"}

Row = tuple[int, dict[str, Any]]
"""Line of the file, counted from 1, and its values by column."""


def resolve(folder: Path, path: str) -> Path:
    """Return ``path`` as seen from ``folder``; backslashes written elsewhere are understood."""
    found = folder / path
    return found if "\\" not in path or is_there(found) else folder / path.replace("\\", "/")


def _file(path: Path) -> Path:
    inside = (path / name for name in _NAMES if (path / name).is_file())
    return next(inside, path) if path.is_dir() else path


def _fits(path: Path) -> bool:
    file = _file(path)
    return file.is_file() and file.suffix.lower() in _SUFFIXES and not is_stray(file)


def _read(path: Path) -> tuple[Sample, ...]:
    file = _file(path)
    try:
        samples = tuple(_sample(file, line, row) for line, row in _rows(file))
    except csv.Error as error:
        raise DataError(f"{file}: not a readable table ({error})") from error
    if not samples:
        raise DataError(f"{file}: lists no images; needed is one image per line")
    return samples


def _rows(file: Path) -> Iterator[Row]:
    if file.suffix.lower() == PARQUET_SUFFIX:
        return table_rows(str(file))
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: not readable as UTF-8 text ({error})") from error
    return (_json_rows if file.suffix.lower() in _OBJECTS else _csv_rows)(file, text)


def table_rows(name: str) -> Iterator[Row]:
    """Rows of a Parquet manifest, a path or a URL, by our names of the columns.

    Raises:
        DataError: it cannot be read, or has no column of paths.
    """
    columns: list[str | None] = []
    for number, row in enumerate(parquet_rows(name), start=1):
        columns = columns or _known_columns(name, number, list(row))
        yield number, {c: v for c, v in zip(columns, row.values(), strict=True) if c}


def _csv_rows(file: Path, text: str) -> Iterator[Row]:
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    columns = _known_columns(file, 1, next(reader, []))
    for values in reader:
        if not any(value.strip() for value in values):
            continue
        if len(values) != len(columns):
            raise DataError(
                f"{file}: line {reader.line_num} has {len(values)} values; the header has "
                f"{len(columns)} columns"
            )
        pairs = zip(columns, values, strict=True)
        yield reader.line_num, {name: value.strip() for name, value in pairs if name}


def _json_rows(file: Path, text: str) -> Iterator[Row]:
    seen: set[str] = set()
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            raise DataError(f"{file}: line {number} is not JSON ({error})") from error
        if not isinstance(row, dict):
            raise DataError(f"{file}: line {number} is {line.strip()[:40]!r}, not a JSON object")
        columns = _known_columns(file, number, list(row), seen)
        yield number, {c: v for c, v in zip(columns, row.values(), strict=True) if c}


def _known_columns(
    file: Path | str, line: int, header: list[str], seen: set[str] | None = None
) -> list[str | None]:
    """Return our name of each column, None for those that mean nothing to us."""
    names = [name.strip().lower() for name in header]
    columns = [_MEANING.get(name) for name in names]
    known = [column for column in columns if column]
    if twice := {column for column in known if known.count(column) > 1}:
        raise DataError(f"{file}: line {line} has more than one column for {sorted(twice)}")
    if "path" not in known:
        raise DataError(
            f"{file}: line {line} has no column 'path', only {short(names)}; known columns: "
            f"{', '.join(_COLUMNS)}"
        )
    seen = set() if seen is None else seen
    if odd := [n for n, c in zip(names, columns, strict=True) if not c and n not in seen]:
        seen.update(odd)
        logger.warning(
            "%s: columns without meaning here are left out: %s", file, ", ".join(odd)[:SHOWN]
        )
    return columns


def _sample(file: Path, line: int, row: dict[str, Any]) -> Sample:
    known = known_values(file, line, row)
    return Sample(
        image_path=resolve(file.parent, known["path"]),
        class_name=known["class"] or file.stem,
        label=known["label"],
        anomaly_type=known["type"],
        mask_path=resolve(file.parent, known["mask"]) if known["mask"] else None,
        mask_rule=known["mask_rule"],
    )


def known_values(file: Path | str, line: int, row: dict[str, Any]) -> dict[str, Any]:
    """What a row says: all columns of a manifest, with defaults for those it has not.

    Raises:
        DataError: a value is not what its column needs.
    """
    for column in ("path", "mask", "class", "type"):
        if not isinstance(row.get(column) or "", str):
            raise DataError(
                f"{file}: line {line}, column {column!r}: {short(row[column])} is not a text"
            )
    if not row["path"]:
        raise DataError(f"{file}: line {line}, column 'path' is empty; needed is an image file")
    label = _label(file, line, row.get("label"))
    default_type = {0: NORMAL_TYPE, 1: ANOMALOUS_TYPE, None: UNKNOWN_TYPE}[label]
    return {
        "path": row["path"],
        "class": row.get("class"),
        "label": label,
        "type": row.get("type") or default_type,
        "mask": row.get("mask"),
        "mask_rule": mask_rule(f"{file}: line {line}", row.get("mask_rule")),
    }


def mask_rule(where: str, value: Any) -> MaskRule:
    """Return the rule that a list names; none means ``auto``.

    Raises:
        DataError: there is no such rule.
    """
    rule = next((rule for rule in MASK_RULES if rule == (value or "auto")), None)
    if rule is None:
        raise DataError(
            f"{where}: mask_rule {short(value)}; needed is one of {', '.join(MASK_RULES)}"
        )
    return rule


def _label(file: Path | str, line: int, value: Any) -> int | None:
    word = "" if value is None else str(value).strip().lower()
    if word in _UNKNOWN_LABELS:
        return None
    number = {"0.0": 0, "1.0": 1, "false": 0, "true": 1}.get(word, label_of(word))
    if number is None:
        raise DataError(
            f"{file}: line {line}, column 'label': {short(value)} is not a label; needed is 0 or "
            "normal, 1 or anomalous, or nothing where it is unknown"
        )
    return number


MANIFEST = Layout(
    name="manifest",
    looks="a .csv, .jsonl or .parquet file with a column path, or a folder with such a file named "
    "manifest",
    fits=_fits,
    read_root=_read,
)
