"""A run over many inputs: claimed, planned, done shard by shard, told of at the end.

run.json       settings; another run in the same place is refused
plan.json      what is to be done, see :mod:`faprompt.scale.plan`
shards/        one Parquet file per shard; that it is there says that it is done, and nothing else
maps/, masks/  heat maps and the pixels of regions, where they are asked for
errors.jsonl   bad inputs with reasons, made from the shards when all are there
summary.json   counts, likewise
"""

import heapq
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from faprompt.detection.outputs import refuse_changes
from faprompt.errors import OutputError
from faprompt.files import parse_json
from faprompt.scale.engines import Engine, Recipe
from faprompt.scale.plan import (
    PICTURES,
    SHARD_FOLDER,
    Plan,
    pending,
    read_plan,
    shard_name,
    write_plan,
)
from faprompt.scale.shards import TOP, all_facts, read_shard
from faprompt.scale.store import Store

RECORD = "run.json"
VERSION = 2
"""Part of the settings: raised when the files of a run change their meaning."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What is told of a whole run."""

    inputs: int
    errors: int
    seconds: float
    """Of all workers together."""
    top: list[tuple[str, float]]
    """Highest scores, with paths."""
    decisions: Mapping[str, int]
    """How many images are OK, UNSURE and NG; empty without a station."""


def open_run(
    store: Store,
    settings: Mapping[str, Any],
    rows: Callable[[], Iterable[Mapping[str, Any]]],
    *,
    shard_size: int,
) -> Plan:
    """Claim a place and plan the run, or take up the plan of a run that was stopped.

    Args:
        store: The run's place; made if it is not there.
        settings: All that decides the results.
        rows: Lists the inputs; not called where there is a plan.
        shard_size: Inputs per shard.

    Raises:
        ConfigError: the place holds a run with other settings; every difference is named.
        OutputError: it cannot be written, or holds other things.
        DataError: there are no inputs.
    """
    settings = {**settings, "shard_size": shard_size, "version": VERSION}
    if store.exists(RECORD):
        try:
            before = dict(parse_json(store.read(RECORD)))
        except (ValueError, TypeError) as error:
            where = store.where(RECORD)
            raise OutputError(f"{where}: not readable ({error}); remove it") from None
        refuse_changes(store.root, before, settings)
    else:
        if store.names():
            raise OutputError(
                f"{store.root}: not empty and not a run of this kind; choose another --out"
            )
        text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
        store.write(RECORD, text.encode())
    return read_plan(store) or write_plan(store, rows(), shard_size=shard_size)


def do_pending(
    store: Store,
    plan: Plan,
    recipe: Recipe,
    engine: Engine,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Do the shards that are not there.

    Args:
        store: The run's place.
        plan: What is to be done.
        recipe: Makes the work, whose tasks are numbers of shards.
        engine: Does it.
        progress: Called with the number of inputs done since the last call, those done in
            earlier runs first.

    Raises:
        FAPromptError: the work cannot go on; what is done stays.
    """
    todo = list(pending(store, plan))
    progress(plan.inputs - sum(plan.size(shard) for shard in todo))
    for report in engine.run(recipe, todo):
        progress(report["rows"])


def finish(store: Store, plan: Plan) -> Summary:
    """Write ``errors.jsonl`` and ``summary.json`` from the shards, which must all be there.

    Raises:
        OutputError: a shard is missing or damaged, or the files cannot be written.
    """
    errors, seconds, lines = 0, 0.0, []
    decisions: Counter[str] = Counter()
    top: list[tuple[float, str]] = []
    for shard, facts in all_facts(store, plan):
        seconds += facts["seconds"]
        decisions.update(facts["decisions"])
        top = heapq.nlargest(TOP, top + [(score, path) for path, score in facts["top"]])
        if facts["errors"]:
            errors += facts["errors"]
            lines += [
                json.dumps({"path": row["path"], "error": row["error"]}) + "\n"
                for row in read_shard(store, shard, ["path", "error"])
                if row["error"] is not None
            ]
    _sweep(store)
    store.write("errors.jsonl", "".join(lines).encode())
    about = {
        "inputs": plan.inputs, "errors": errors, "shards": plan.shards, "seconds": seconds,
        **({"decisions": decisions} if decisions else {}),
    }  # fmt: skip
    store.write("summary.json", (json.dumps(about, indent=2) + "\n").encode())
    return Summary(
        inputs=plan.inputs,
        errors=errors,
        seconds=seconds,
        top=[(path, score) for score, path in top],
        decisions=decisions,
    )


def _sweep(store: Store) -> None:
    """Remove what killed processes left half written."""
    pictures = [f"{kind}/{shard}" for kind in PICTURES for shard in store.names(kind)]
    for folder in ("", "plan", SHARD_FOLDER, *pictures):
        store.sweep(folder)


def some_scores(store: Store, plan: Plan, *, limit: int = 10_000) -> list[float]:
    """Image scores of shards that lie evenly in the run; all, if there are at most ``limit``.

    Raises:
        OutputError: a shard is missing or damaged.
    """
    step = -(-plan.inputs // limit)
    rows = (read_shard(store, i, ["image_score"]) for i in range(0, plan.shards, step))
    return [row["image_score"] for shard in rows for row in shard if row["image_score"] is not None]


def forget_errors(store: Store, plan: Plan) -> int:
    """Remove the shards that hold errors, so that they are done again; says how many."""
    missing = set(pending(store, plan))
    there = [shard for shard in range(plan.shards) if shard not in missing]
    held = [shard for shard, facts in all_facts(store, plan, there) if facts["errors"]]
    for shard in held:
        store.remove(shard_name(shard))
    return len(held)
