"""Images that occur in auxiliary and target sets alike: what should be unseen and is not."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from faprompt.data.samples import Dataset
from faprompt.files import parse_json, write_text
from faprompt.protocol.cells import recipe_hash
from faprompt.protocol.results import Results

EXAMPLES = 3


class Pair(Protocol):
    """Two images that are the same."""

    @property
    def auxiliary(self) -> Path:
        """The image that is learned from."""

    @property
    def target(self) -> Path:
        """The image that is asked about."""

    @property
    def kind(self) -> str:
        """What they have in common: ``content`` or ``perceptual``."""


class Overlap(Protocol):
    """All such pairs of auxiliary sets and a target."""

    @property
    def pairs(self) -> Sequence[Pair]:
        """In any order."""


Find = Callable[[Sequence[Dataset], Dataset], Overlap]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What was found between one target and what is learned from for it."""

    target: str
    auxiliary: str
    count: str
    """How many, by kind, in words."""
    examples: str


def findings(results: Results, folder: Path, find: Find) -> Iterator[Finding]:
    """Check every pair of a plan; what was checked before is read from ``folder``.

    Args:
        results: Holds plan and data.
        folder: One JSON file per pair.
        find: Tells the overlap of auxiliary sets and a target.

    Raises:
        FAPromptError: an image cannot be read.
    """
    material = results.outcome.material
    for transfer in results.plan.transfers:
        auxiliary = material.present(transfer.auxiliary)
        for target in material.present(transfer.targets) if auxiliary else ():
            contents = [present.sha256 for present in (*auxiliary, target)]
            path = folder / f"{recipe_hash({'overlap': contents})[:16]}.json"
            if not path.is_file():
                overlap = find([p.dataset for p in auxiliary], target.dataset)
                told = _told(overlap, target=target.name, auxiliary=transfer.name)
                write_text(path, json.dumps(asdict(told)) + "\n")
            yield Finding(**parse_json(path.read_text(encoding="utf-8")))


def _told(overlap: Overlap, *, target: str, auxiliary: str) -> Finding:
    kinds = [str(pair.kind) for pair in overlap.pairs]
    counts = (f"{kinds.count(kind)} by {kind}" for kind in sorted(set(kinds)))
    named = (
        f"{Path(pair.auxiliary).name} = {Path(pair.target).name}"
        for pair in overlap.pairs[:EXAMPLES]
    )
    return Finding(
        target=target,
        auxiliary=auxiliary,
        count=", ".join(counts) or "none",
        examples="; ".join(named),
    )
