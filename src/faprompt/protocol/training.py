"""Checkpoints of the methods that learn: made once per recipe, found again afterwards."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faprompt.clip.weights import Backbone
from faprompt.data.hashing import content_hash
from faprompt.errors import DataError
from faprompt.files import parse_json, write_text
from faprompt.protocol.cells import recipe_hash
from faprompt.protocol.material import Present
from faprompt.protocol.rivals.base import Method
from faprompt.training.run import Places, Watcher


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """Learned prompts of one method and seed."""

    path: Path
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class School:
    """Where and on what methods learn."""

    folder: Path
    """One folder per recipe."""
    backbone: Backbone
    cache: Path | None
    """Of frozen features, shared by all."""
    workers: int = 2

    def learned(
        self,
        method: Method,
        auxiliary: Sequence[Present],
        changes: Mapping[str, Any],
        watcher: Callable[[], Watcher | None] = lambda: None,
    ) -> Checkpoint:
        """The checkpoint of a recipe; what is missing of it is learned now.

        Args:
            method: Learns.
            auxiliary: What it learns from.
            changes: Training settings, the seed among them.
            watcher: Makes what follows the run, if there is one.

        Raises:
            FAPromptError: as ``Method.learn``.
        """
        recipe = self._recipe(method, auxiliary, changes)
        name = recipe_hash(recipe)[:16]
        folder, record = self.folder / name, self.folder / f"{name}.json"
        if found := _finished(record, folder):
            return found
        path = method.learn(
            self.backbone,
            [present.dataset for present in auxiliary],
            changes=changes,
            places=Places(out=folder, cache=self.cache),
            workers=self.workers,
            watcher=watcher(),
        )
        made = Checkpoint(path=path, sha256=content_hash(path))
        told = {"recipe": recipe, "file": path.name, "sha256": made.sha256}
        write_text(record, json.dumps(told, indent=1) + "\n")
        return made

    def _recipe(
        self, method: Method, auxiliary: Sequence[Present], changes: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {
            "method": method.name,
            "settings": {**method.defaults, **changes, **method.fixed},
            "auxiliary": [present.sha256 for present in auxiliary],
            **backbone_facts(self.backbone),
        }


def backbone_facts(backbone: Backbone) -> dict[str, Any]:
    """What of a backbone decides results, as plain values."""
    scale = backbone.clip.logit_scale
    return {
        "backbone": backbone.spec.name,
        "backbone_checksum": backbone.checksum,
        "precision": str(scale.dtype).removeprefix("torch."),
        "device": scale.device.type,
    }


def _finished(record: Path, folder: Path) -> Checkpoint | None:
    """What a record tells, if the file is still the one it tells of."""
    try:
        told = parse_json(record.read_text(encoding="utf-8"))
        path = folder / told["file"]
        if content_hash(path) == told["sha256"]:
            return Checkpoint(path=path, sha256=told["sha256"])
    except (OSError, ValueError, KeyError, DataError):
        pass  # not there, or damaged: learned again, which is quick where it is finished
    return None
