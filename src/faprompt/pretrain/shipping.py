"""Turn a run into the package data of the embedded backbone."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from faprompt.clip.safe_pickle import safe_load_pickle
from faprompt.errors import DataError, OutputError
from faprompt.files import write_tensors, write_text
from faprompt.pretrain.recipe import Recipe
from faprompt.pretrain.trainer import STATE_FILE

WEIGHTS_FILE = "tiny.safetensors"
SOURCES_FILE = "SOURCES.csv"
MAX_BYTES = 30 * 2**20
"""Most that the package may carry."""

SOURCE_COLUMNS = ("file", "repository", "path", "licence", "attribution")


def export_weights(folder: Path, out: Path, recipe: Recipe) -> Path:
    """Write the averaged weights of a run as fp16 safetensors, its history in the header.

    Args:
        folder: The run, as written by ``faprompt pretrain``.
        out: Where ``tiny.safetensors`` goes.
        recipe: The run's recipe, for its name and digest.

    Raises:
        DataError: ``folder`` holds no state.
        OutputError: the file would be larger than the package may carry.
    """
    path = folder / STATE_FILE
    if not path.is_file():
        raise DataError(f"{path}: no such file; train first with faprompt pretrain --out {folder}")
    state = safe_load_pickle(path)
    tensors = {name: value.half().contiguous() for name, value in state["average"].items()}
    header = {
        "recipe": recipe.name,
        "recipe_digest": recipe.digest,
        "renderer": str(state["renderer"]),
        "steps": str(state["steps"]),
        "seconds": str(round(state["seconds"])),
        "settings": json.dumps(state["recipe"], sort_keys=True),
    }
    size = sum(value.numel() * value.element_size() for value in tensors.values())
    if size > MAX_BYTES:
        raise OutputError(
            f"{out}: {size / 2**20:.1f} MiB of weights, {MAX_BYTES >> 20} are allowed"
        )
    target = out / WEIGHTS_FILE
    write_tensors(target, tensors, metadata=header)
    return target


def export_sources(listing: Path, out: Path, names: Sequence[str]) -> Path:
    """Write the facts of the photographs that were used: file, source, licence, attribution.

    Args:
        listing: CSV with at least the columns of the result.
        out: Folder of ``SOURCES.csv``.
        names: Photographs, relative to the folder of the photographs.

    Raises:
        DataError: a photograph is not in the listing: it must not be used.
    """
    with listing.open(encoding="utf-8", newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    if odd := sorted(set(names) - rows.keys()):
        raise DataError(f"{listing}: no source and licence for {odd[:3]} ({len(odd)} in all)")
    text = io.StringIO()
    writer = csv.DictWriter(text, SOURCE_COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows[name] for name in sorted(names))
    write_text(out / SOURCES_FILE, text.getvalue())
    return out / SOURCES_FILE
