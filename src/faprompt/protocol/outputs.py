"""Everything a benchmark writes beside its cells: table, text and page."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faprompt.errors import DataError
from faprompt.files import write_text
from faprompt.protocol.facts import Making
from faprompt.protocol.markdown import markdown
from faprompt.protocol.overlaps import Find, Finding, findings
from faprompt.protocol.report import report
from faprompt.protocol.results import Results, write_parquet

PARQUET, TEXT, PAGE, DATA = "results.parquet", "results.md", "report.html", "data.json"


def write_outputs(
    results: Results,
    out: Path,
    *,
    command: str,
    find: Find | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Write ``results.parquet``, ``results.md``, ``report.html`` and ``data.json``.

    Args:
        results: Of a finished benchmark.
        out: Its folder.
        command: What was typed, for the page.
        find: Finds images in auxiliary and target sets alike; None: not checked.
        say: Told what takes long, and what could not be done.

    Raises:
        OutputError: a file cannot be written.
        ConfigError: the packages for tables are not installed.
    """
    overlaps: tuple[Finding, ...] = ()
    if find is not None:
        say("looking for images in auxiliary and target sets alike")
        try:
            overlaps = tuple(findings(results, out / "overlap", find))
        except DataError as error:
            say(f"overlap not checked: {error}")
    write_text(out / DATA, json.dumps(_data(results), indent=1) + "\n")
    making = Making(command=command, overlaps=overlaps)
    say("writing tables and page")
    write_parquet(results, out / PARQUET)
    write_text(out / TEXT, markdown(results, making))
    write_text(out / PAGE, report(results, making, examples=out / "examples"))


def _data(results: Results) -> dict[str, Any]:
    """Every set of the plan: counts and content hash, or why it is missing."""
    material = results.outcome.material
    return {
        "sets": [present.facts() for present in material.all_present()],
        "missing": {absent.name: absent.reason for absent in material.absent()},
    }
