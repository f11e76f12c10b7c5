"""Published figures: those of docs/method.md, section 10, all of them and no others."""

import re
from collections import Counter
from pathlib import Path

import pytest

from faprompt.protocol.methods import METHODS
from faprompt.protocol.published import (
    SHORT,
    SOURCES,
    TITLES,
    published_figures,
    published_for,
)

METHOD = Path(__file__).parents[2] / "docs" / "method.md"


def test_every_number_of_the_tables_is_there_and_no_other() -> None:
    text = METHOD.read_text(encoding="utf-8")
    section = text[text.index("## 10.") : text.index("## 11.")]
    rows = [line.split("|")[2:] for line in section.splitlines() if line.startswith("| ")]
    numbers = Counter(re.findall(r"\d+\.\d+", " ".join(cell for row in rows for cell in row)))
    ours = Counter(f"{100 * f.value:.1f}" for f in published_figures() if f.source != "page")
    assert ours == numbers
    assert sum(ours.values()) == 333


@pytest.mark.parametrize(
    ("dataset", "method", "metric", "source", "percent"),
    [
        ("MVTec AD", "faprompt", "image_auroc", "paper", 91.9),
        ("VisA", "faprompt", "pixel_aupro", "rerun", 85.8),
        ("MPDD", "faprompt", "pixel_auroc", "page", 96.7),
        ("KSDD", "faprompt", "image_auroc", "page", 81.3),
        ("TN3K", "anomalyclip", "pixel_aupro", "quoted", 50.4),
        ("CVC-ColonDB", "coop", "pixel_aupro", "rivals", 2.6),
        ("BrainMRI", "vand", "image_ap", "rivals", 90.9),
        ("Kvasir", "winclip", "pixel_auroc", "rivals", 69.7),
        ("DTD-Synthetic", "clip-ac", "image_auroc", "rivals", 66.8),
    ],
)
def test_spot_checks(dataset: str, method: str, metric: str, source: str, percent: float) -> None:
    found = [
        f.value
        for f in published_for(dataset.upper(), tuple(SOURCES))
        if (f.method, f.metric, f.source) == (method, metric, source)
    ]
    assert found == [pytest.approx(percent / 100)]


def test_what_was_not_published_is_absent() -> None:
    assert not [f for f in published_for("DTD-Synthetic", ("rivals",)) if f.method == "coop"]
    assert published_for("hazelnut toy", tuple(SOURCES)) == ()
    assert published_for("MVTec AD", ()) == ()


def test_every_source_and_method_has_words() -> None:
    assert {f.source for f in published_figures()} == set(SOURCES) == set(SHORT)
    assert {f.method for f in published_figures()} <= {*METHODS, *TITLES}
