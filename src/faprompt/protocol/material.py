"""The data of a plan: what is on this machine, with content hashes, and what is missing.

Hashing reads every file; the hashes are kept beside the results and are taken again as long as
no file of the set changed its name, size or time.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faprompt.data.datasets import load_dataset
from faprompt.data.samples import Dataset
from faprompt.errors import DataError
from faprompt.files import parse_json, write_text
from faprompt.protocol.plan import DataSpec, Plan


@dataclass(frozen=True, kw_only=True, slots=True)
class Present:
    """A data set on this machine."""

    name: str
    """As the plan calls it."""
    dataset: Dataset
    sha256: str
    """Of its content, wherever it lies."""

    def facts(self) -> dict[str, Any]:
        """Name, hash and counts as plain values."""
        counts = self.dataset.counts()
        return {
            "name": self.name,
            "layout": self.dataset.layout,
            "sha256": self.sha256,
            "classes": len(self.dataset.classes),
            "normal": counts.normal,
            "anomalous": counts.anomalous,
            "unlabelled": counts.unlabelled,
            "masks": counts.masks,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Absent:
    """A data set that cannot be used here."""

    name: str
    reason: str


class Material:
    """All data sets of a plan, by what the plan says of them."""

    def __init__(self, plan: Plan, hashes: Path) -> None:
        """Find and hash them.

        Args:
            plan: Names the sets.
            hashes: JSON file of known hashes; made or brought up to date.

        Raises:
            ConfigError: a layout is not known.
            OutputError: ``hashes`` cannot be written.
        """
        known = _read(hashes)
        self._sets: dict[DataSpec, Present | Absent] = {}
        for transfer in plan.transfers:
            for data in (*transfer.auxiliary, *transfer.targets):
                if data not in self._sets:
                    self._sets[data] = _find(data, known)
        write_text(hashes, json.dumps(known, indent=1, sort_keys=True) + "\n")

    def of(self, data: DataSpec) -> Present | Absent:
        """What is known of one set."""
        return self._sets[data]

    def present(self, wanted: Iterable[DataSpec]) -> list[Present]:
        """Those that are here."""
        return [found for data in wanted if isinstance(found := self._sets[data], Present)]

    def absent(self, wanted: Iterable[DataSpec] | None = None) -> list[Absent]:
        """Those that are not, of all or of ``wanted``."""
        chosen = self._sets if wanted is None else wanted
        return [found for data in chosen if isinstance(found := self._sets[data], Absent)]

    def all_present(self) -> list[Present]:
        """Every set that is here."""
        return self.present(self._sets)


def _find(data: DataSpec, known: dict[str, str]) -> Present | Absent:
    try:
        dataset = load_dataset(data.spec)
        state = _state(dataset)
        if state not in known:
            known[state] = dataset.content_hash()
    except DataError as error:
        return Absent(name=data.name, reason=str(error))
    return Present(name=data.name, dataset=dataset, sha256=known[state])


def _state(dataset: Dataset) -> str:
    """Changes with any file's name, size or time, and with what is known of the samples."""
    digest = hashlib.sha256()
    for sample in dataset.samples:
        digest.update(repr(sample).encode())
        for path in (sample.image_path, sample.mask_path):
            if path is None:
                continue
            try:
                status = path.stat()
            except OSError as error:
                raise DataError(f"{path}: cannot be read ({error.strerror})") from None
            digest.update(f"{status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _read(path: Path) -> dict[str, str]:
    try:
        values = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # they are made again
    return values if isinstance(values, dict) else {}
