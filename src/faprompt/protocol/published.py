"""Published figures to lay beside ours, each with its source (docs/method.md, section 10)."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

SOURCES = {
    "paper": "FAPrompt's paper (ICCV 2025), as printed or quoted from it",
    "rerun": "the FAPrompt column published by the EDMPrompt project (2026), apparently a rerun "
    "of the released code",
    "page": "a public benchmark page for FAPrompt",
    "quoted": "AnomalyCLIP as quoted beside FAPrompt",
    "rivals": "the tables of AnomalyCLIP (arXiv:2310.18961)",
}
"""Where a figure was published, by the word that plans use."""
SHORT = {
    "paper": "paper",
    "rerun": "rerun, EDMPrompt project",
    "page": "benchmark page",
    "quoted": "quoted beside FAPrompt",
    "rivals": "AnomalyCLIP's tables",
}
"""Sources as they stand below a name."""
TITLES = {"vand": "VAND (APRIL-GAN)"}
"""Methods that are published and not among ours."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """One published figure."""

    dataset: str
    """As a plan's ``name`` of a target must say to get it."""
    method: str
    """As plans name it."""
    metric: str
    value: float
    """A fraction, like ours."""
    source: str
    """A key of ``SOURCES``."""


@cache
def published_figures() -> tuple[Published, ...]:
    """All of them, in the order of the tables they come from."""
    text = files("faprompt.protocol").joinpath("published.csv").read_text(encoding="utf-8")
    return tuple(
        Published(
            dataset=row["dataset"],
            method=row["method"],
            metric=row["metric"],
            value=round(float(row["percent"]) / 100, 6),
            source=row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def published_for(dataset: str, sources: tuple[str, ...]) -> tuple[Published, ...]:
    """The figures of one data set, by its published name in any case, from chosen sources."""
    return tuple(
        figure
        for figure in published_figures()
        if figure.dataset.lower() == dataset.lower() and figure.source in sources
    )
