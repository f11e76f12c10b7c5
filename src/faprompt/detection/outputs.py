"""The files of a prediction run: rows, heat maps, and what an interrupted run left to do.

run.json            settings; another run in the same folder is refused
predictions.jsonl   a line per image, appended when its heat map is complete
predictions.csv     the same rows, sorted by score, written at the end
errors.jsonl        images that could not be used, with the reason
maps/               heat maps over their images; of very large ones also the values, as TIFF
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any, Self

import numpy as np
from PIL import Image

from faprompt.data.listing import Listed
from faprompt.detection.map_files import write_tiff
from faprompt.detection.prediction import Prediction
from faprompt.detection.tracing import TRACED, measures
from faprompt.errors import ConfigError, FAPromptError, OutputError
from faprompt.files import append_line, parse_json, refuse_foreign, replacing, sweep, write_text

COLUMNS = ("path", "image_score", "width", "height", "milliseconds")
FORMATS = {"png": "PNG", "jpg": "JPEG"}
JPEG_QUALITY = 92
PNG_COMPRESSION = 1  # five times as fast as the default, a few per cent larger
LONGEST_NAME = 240
"""Bytes of a heat map's name; longer ones are cut."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")

Row = dict[str, Any]


class PredictionFolder:
    """Rows and heat maps of one run; opened again with equal settings it goes on."""

    def __init__(
        self, folder: Path, settings: Mapping[str, Any], *, map_format: str | None
    ) -> None:
        self.folder = folder
        self.map_format = map_format
        self.rows: dict[str, Row] = {}
        self._claim(dict(settings))
        self._read_rows()
        sweep(folder)
        rows = self.rows.values()
        self._names = {row[k] for row in rows for k in ("map", "values") if row.get(k)}

    @classmethod
    def open(
        cls, folder: Path, settings: Mapping[str, Any], *, map_format: str | None = "png"
    ) -> Self:
        """Open a folder for a run.

        Args:
            folder: Made if it is not there.
            settings: What decides the results: model, precision, ...
            map_format: ``png``, ``jpg``, or None for scores alone.

        Raises:
            ConfigError: the folder holds a run with other settings; the difference is named.
            OutputError: the folder cannot be written, or holds other things.
        """
        if map_format is not None and map_format not in FORMATS:
            raise ConfigError(f"map format must be one of {', '.join(FORMATS)}, got {map_format!r}")
        return cls(folder, {**settings, "map_format": map_format}, map_format=map_format)

    def pending(self, listed: list[Listed]) -> Iterator[Listed]:
        """Images that have no row yet."""
        return (item for item in listed if str(item.path) not in self.rows)

    def add(
        self,
        prediction: Prediction,
        name: PurePosixPath,
        *,
        facts: Mapping[str, Any] | None = None,
        overlay: Image.Image | None = None,
    ) -> Row:
        """Write heat map and row of one image.

        Args:
            prediction: Of a file.
            name: What to call its heat map.
            facts: More of the row; see ``tracing.trace``.
            overlay: In the place of ``prediction.overlay()``.

        Raises:
            OutputError: the disk is full or the folder cannot be written.
        """
        row: Row = {**measures(prediction), **(facts or {})}
        if self.map_format:
            row["map"] = free_name(self._names, PurePosixPath("maps") / name, self.map_format)
            save_image(self.folder / row["map"], overlay or prediction.overlay())
            if isinstance(prediction.anomaly_map, np.memmap):  # too large for a picture
                row["values"] = free_name(self._names, PurePosixPath("maps") / name, "tif")
                write_tiff(self.folder / row["values"], prediction.anomaly_map)
        append_line(self.folder / "predictions.jsonl", row)
        self.rows[row["path"]] = row
        return row

    def add_error(self, path: str, error: FAPromptError) -> None:
        """Keep the reason why an image has no row."""
        append_line(self.folder / "errors.jsonl", {"path": path, "error": str(error)})

    def finish(self) -> None:
        """Write the CSV: rows sorted by score, most anomalous first."""
        text = io.StringIO()
        columns = [c for c in TRACED if any(c in row for row in self.rows.values())]
        writer = csv.DictWriter(
            text, [*COLUMNS, *columns], extrasaction="ignore", lineterminator="\n"
        )
        writer.writeheader()
        rows = sorted(self.rows.values(), key=lambda row: -row["image_score"])
        writer.writerows(_in_table(row) for row in rows)
        write_text(self.folder / "predictions.csv", text.getvalue())

    def _claim(self, settings: Row) -> None:
        path = self.folder / "run.json"
        refuse_foreign(self.folder, path.name, kind="a prediction run")
        if not path.exists():
            write_text(path, json.dumps(settings, indent=2, sort_keys=True) + "\n")
            return
        try:
            before = dict(parse_json(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise OutputError(f"{path}: not readable ({error}); remove it") from None
        refuse_changes(str(self.folder), before, settings)

    def _read_rows(self) -> None:
        path = self.folder / "predictions.jsonl"
        if not path.is_file():
            return
        whole = []
        for line in _text(path).split("\n"):
            try:
                row = parse_json(line)
                if not isinstance(row["path"], str):
                    raise TypeError("path")
                self.rows[row["path"]] = row | {"image_score": float(row["image_score"])}
            except (ValueError, KeyError, TypeError):
                continue  # cut off when the run was killed: the image is done again
            whole.append(line)
        write_text(path, "".join(f"{line}\n" for line in whole))
        (self.folder / "errors.jsonl").unlink(missing_ok=True)  # they are tried again


def free_name(taken: set[str], name: PurePosixPath, kind: str) -> str:
    """A name for a picture of the image called ``name`` that none has yet; it is then taken.

    Args:
        taken: Names in use.
        name: Folder and name of the image.
        kind: Ending of the picture, without the dot.

    Example:
        >>> free_name({"maps/a.png"}, PurePosixPath("maps/a.png"), "png")
        'maps/a-2.png'
    """
    ending = f".{kind}"
    base = name if name.suffix.lower() == ending else name.with_name(name.name + ending)
    base = base.with_name(_fitting(base.name))
    found, number = str(base), 1
    while found in taken:  # files of one name from several folders
        number += 1
        found = str(base.with_name(f"{base.stem}-{number}{base.suffix}"))
    taken.add(found)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")  # a damaged line is no JSON
    except OSError as error:
        raise OutputError(f"{path}: not readable ({error.strerror}); remove it") from None


def _fitting(name: str) -> str:
    """The name, cut where a system would refuse it: 255 bytes with what is added to it."""
    if len(os.fsencode(name)) <= LONGEST_NAME:
        return name
    ending = PurePosixPath(name).suffix
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return f"{os.fsdecode(os.fsencode(name)[: LONGEST_NAME - 40])}-{digest}{ending}"


def _in_table(row: Row) -> Row:
    """The row for spreadsheets, which take a text that starts so for a formula."""
    return row | {"path": f"./{row['path']}"} if row["path"].startswith(FORMULA) else row


def refuse_changes(where: str, before: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Refuse to go on with other settings than a run began with.

    Raises:
        ConfigError: they differ; the text names every difference.
    """
    keys = [k for k in sorted({**before, **settings}) if before.get(k) != settings.get(k)]
    if keys:
        changes = "; ".join(f"{k} was {before.get(k)}, now {settings.get(k)}" for k in keys)
        raise ConfigError(
            f"{where}: holds predictions with other settings ({changes}); choose "
            "another --out, or remove the folder"
        )


def save_image(path: Path, image: Image.Image) -> None:
    """Write a picture, whole or not at all; the ending decides the format.

    Raises:
        OutputError: it cannot be written.
    """
    with replacing(path) as temporary:
        encode_image(image, temporary, path.suffix.lower().removeprefix(".").replace("jpeg", "jpg"))


def encode_image(image: Image.Image, file: Path | IO[bytes], form: str) -> None:
    """Write a picture to a file as ``png`` or ``jpg``."""
    kind = FORMATS[form]
    options = {"quality": JPEG_QUALITY} if kind == "JPEG" else {"compress_level": PNG_COMPRESSION}
    image.save(file, format=kind, **options)
