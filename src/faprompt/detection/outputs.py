"""The files of a prediction run: rows, heat maps, and what an interrupted run left to do.

run.json            settings; another run in the same folder is refused
predictions.jsonl   a line per image, appended when its heat map is complete
predictions.csv     the same rows, sorted by score, written at the end
errors.jsonl        images that could not be used, with the reason
maps/               heat maps over their images
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any, Self

from PIL import Image

from faprompt.data.listing import Listed
from faprompt.detection.prediction import Prediction
from faprompt.errors import ConfigError, FAPromptError, OutputError
from faprompt.files import refuse_foreign, replacing, write_text

COLUMNS = ("path", "image_score", "width", "height", "milliseconds")
FORMATS = {"png": "PNG", "jpg": "JPEG"}
JPEG_QUALITY = 92
PNG_COMPRESSION = 1  # five times as fast as the default, a few per cent larger

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
        self._names = {row["map"] for row in self.rows.values() if row.get("map")}

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

    def add(self, prediction: Prediction, name: PurePosixPath) -> Row:
        """Write heat map and row of one image.

        Raises:
            OutputError: the disk is full or the folder cannot be written.
        """
        row: Row = {
            "path": prediction.path,
            "image_score": round(prediction.image_score, 6),
            "width": prediction.image.width,
            "height": prediction.image.height,
            "milliseconds": round(prediction.milliseconds, 3),
        }
        if self.map_format:
            row["map"] = self._free_name(name)
            save_image(self.folder / row["map"], prediction.overlay())
        self._append("predictions.jsonl", row)
        self.rows[row["path"]] = row
        return row

    def add_error(self, path: str, error: FAPromptError) -> None:
        """Keep the reason why an image has no row."""
        self._append("errors.jsonl", {"path": path, "error": str(error)})

    def finish(self) -> None:
        """Write the CSV: rows sorted by score, most anomalous first."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(self.rows.values(), key=lambda row: -row["image_score"]))
        write_text(self.folder / "predictions.csv", text.getvalue())

    def _claim(self, settings: Row) -> None:
        path = self.folder / "run.json"
        refuse_foreign(self.folder, path.name, kind="a prediction run")
        if not path.exists():
            write_text(path, json.dumps(settings, indent=2, sort_keys=True) + "\n")
            return
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise OutputError(f"{path}: not readable ({error}); remove it") from None
        refuse_changes(str(self.folder), before, settings)

    def _read_rows(self) -> None:
        path = self.folder / "predictions.jsonl"
        if not path.is_file():
            return
        whole = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
                self.rows[row["path"]] = row
            except (ValueError, KeyError, TypeError):
                continue  # cut off when the run was killed: the image is done again
            whole.append(line)
        write_text(path, "".join(f"{line}\n" for line in whole))
        (self.folder / "errors.jsonl").unlink(missing_ok=True)  # they are tried again

    def _append(self, name: str, row: Row) -> None:
        try:
            with (self.folder / name).open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise OutputError(
                f"{self.folder / name}: cannot be written ({error.strerror})"
            ) from error

    def _free_name(self, name: PurePosixPath) -> str:
        ending = f".{self.map_format}"
        base = name if name.suffix.lower() == ending else name.with_name(name.name + ending)
        found, number = f"maps/{base}", 1
        while found in self._names:  # files of one name from several folders
            number += 1
            found = f"maps/{base.with_name(f'{base.stem}-{number}{base.suffix}')}"
        self._names.add(found)
        return found


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
