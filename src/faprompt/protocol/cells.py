"""Finished work on disk: one cell per method, seed and target.

cells/HASH/class-NNN.npz   scores, histograms and figures of one class, each whole or not there
cells/HASH.json            the whole cell, written when its last class is done

HASH is that of the recipe: everything that decides the figures. A cell is never made twice, and
one that was made from other data, weights or settings is another cell.
Shapes: N images, K of them with a known mask, B bins.
"""

import hashlib
import io
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faprompt.errors import OutputError
from faprompt.files import parse_json, replacing, write_text
from faprompt.metrics.bootstrap import PixelBins

VERSION = 1
"""Part of every recipe: raised when metrics, preprocessing or a method change."""
Recipe = Mapping[str, Any]


def recipe_hash(recipe: Recipe) -> str:
    """Name of a recipe: SHA-256 over its sorted JSON, 64 hexadecimal digits."""
    text = json.dumps({"version": VERSION, **recipe}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassPart:
    """Everything kept of one class."""

    facts: dict[str, Any]
    """``name``, ``values``, ``undefined``, counts, timing; plain values."""
    paths: list[str]
    """Images below the root of the data set, N."""
    labels: NDArray[np.int64]
    """(N,)."""
    scores: NDArray[np.float64]
    """(N,)."""
    known: NDArray[np.int64]
    """Which images have a known mask, (K,)."""
    bins: PixelBins | None
    """Histograms of those; None where pixel metrics are undefined."""


class CellStore:
    """Reads and writes cells."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder.parent / "log.jsonl"

    def part_path(self, name: str, number: int) -> Path:
        """File of one class."""
        return self.folder / name / f"class-{number:03d}.npz"

    def has_part(self, name: str, number: int) -> bool:
        """Whether a class is done."""
        return self.part_path(name, number).is_file()

    def write_part(self, name: str, number: int, part: ClassPart) -> None:
        """Keep one class.

        Raises:
            OutputError: it cannot be written.
        """
        arrays: dict[str, NDArray[Any]] = {
            "labels": part.labels,
            "scores": part.scores,
            "known": part.known,
            "facts": _as_bytes({"facts": part.facts, "paths": part.paths}),
        }
        if part.bins is not None:
            arrays |= {field: getattr(part.bins, field) for field in _BIN_FIELDS}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        with replacing(self.part_path(name, number)) as temporary:
            temporary.write_bytes(buffer.getvalue())

    def read_part(self, name: str, number: int) -> ClassPart:
        """Read one class again.

        Raises:
            OutputError: the file is missing or damaged.
        """
        path = self.part_path(name, number)
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {key: file[key] for key in file.files}
            told = parse_json(arrays["facts"].tobytes())
            bins = PixelBins(**{f: arrays[f] for f in _BIN_FIELDS}) if "edges" in arrays else None
            return ClassPart(
                facts=told["facts"],
                paths=told["paths"],
                labels=arrays["labels"],
                scores=arrays["scores"],
                known=arrays["known"],
                bins=bins,
            )
        except Exception as error:  # numpy raises nearly anything on damaged files
            raise OutputError(f"{path}: damaged ({error}); remove it and start again") from error

    def parts(self, name: str) -> list[ClassPart]:
        """All classes of a finished cell."""
        return [self.read_part(name, i) for i in range(len(self.read(name)["classes"]))]

    def done(self, name: str) -> bool:
        """Whether a cell is whole."""
        return (self.folder / f"{name}.json").is_file()

    def read(self, name: str) -> dict[str, Any]:
        """Recipe and figures of a whole cell.

        Raises:
            OutputError: the file cannot be read.
        """
        path = self.folder / f"{name}.json"
        try:
            found: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise OutputError(f"{path}: damaged ({error}); remove it and start again") from None
        return found

    def finish(self, name: str, recipe: Recipe, more: Mapping[str, Any]) -> None:
        """Write a cell whose classes are all there, and log its figures.

        Raises:
            OutputError: it cannot be written, or a class is damaged.
        """
        classes: list[dict[str, Any]] = []
        while self.has_part(name, len(classes)):
            classes.append(self.read_part(name, len(classes)).facts)
        cell = {"recipe": {"version": VERSION, **recipe}, "hash": name, "classes": classes, **more}
        write_text(self.folder / f"{name}.json", json.dumps(cell, indent=1) + "\n")
        self.log_once([name])

    def log_once(self, names: list[str]) -> None:
        """Append those cells to the log that are not in it: a killed run may have missed one.

        Raises:
            OutputError: the log cannot be written.
        """
        logged = _logged(self.log)
        lines = []
        for name in names:
            if name in logged:
                continue
            cell = self.read(name)
            figures = {
                c["name"]: c["values"] | {"undefined": c["undefined"]} for c in cell["classes"]
            }
            when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            line = {"hash": name, "time": when, "recipe": cell["recipe"], "figures": figures}
            lines.append(json.dumps(line) + "\n")
        if not lines:
            return
        try:
            torn = self.log.is_file() and not self.log.read_bytes().endswith(b"\n")
            with self.log.open("a", encoding="utf-8") as file:
                file.write("\n" * torn + "".join(lines))
        except OSError as error:
            raise OutputError(f"{self.log}: cannot be written ({error.strerror})") from error


_BIN_FIELDS = ("edges", "negatives", "positives", "overlap", "regions")


def _logged(path: Path) -> set[str]:
    if not path.is_file():
        return set()
    found = set()
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            found.add(parse_json(line)["hash"])
        except (ValueError, KeyError, TypeError):
            continue  # cut off when the run was killed
    return found


def _as_bytes(values: Any) -> NDArray[np.uint8]:
    return np.frombuffer(json.dumps(values).encode(), dtype=np.uint8)
