"""``report.html``: one page that needs no other file, no script and no network."""

from collections.abc import Iterable
from html import escape
from pathlib import Path

from faprompt.detection.page import axis_of, card_html, document
from faprompt.metrics.pixel import FPR_LIMIT
from faprompt.protocol import facts
from faprompt.protocol.curves import Line, curve_of, legend, svg
from faprompt.protocol.examples import example_cards
from faprompt.protocol.facts import Making
from faprompt.protocol.report_style import CSS
from faprompt.protocol.results import Key, Results
from faprompt.protocol.tables import (
    MAIN,
    Cell,
    Table,
    balance,
    difference_table,
    not_best,
    overview,
    target_table,
    title_of,
    where,
)

PANELS = (
    ("image", "Image ROC", "true positive rate", 1.0),
    ("pixel", "Pixel ROC", "true positive rate", 1.0),
    ("pro", "Region overlap (PRO)", "mean overlap of regions", FPR_LIMIT),
)
COLOURS = 8
SIDE_BY_SIDE = 5
"""Columns up to which two tables stand beside each other."""


def report(results: Results, making: Making, *, examples: Path) -> str:
    """The whole page.

    Args:
        results: Of a finished benchmark.
        making: How it was made.
        examples: Folder where heat maps made before are found and new ones are kept.
    """
    title = f"{title_of(results.reference)} and its rivals on {results.plan.backbone}"
    parts = [_head(title, results), '<main class="wrap">\n', _overview(results)]
    parts += [_target(results, n, key, examples) for n, key in enumerate(results.keys)]
    parts += [_data(results, making), _methods(results), _made(results, making), "</main>\n"]
    footer = "".join(f"<p>{escape(line)}</p>" for line in facts.making_lines(making))
    parts.append(f'<footer class="wrap">{footer}</footer>\n')
    return document(title, "".join(parts), style=CSS)


def _head(title: str, results: Results) -> str:
    targets = "".join(
        f'<a href="#target-{number}">{escape(where(results, key))}</a>'
        for number, key in enumerate(results.keys)
    )
    sources = "; ".join(transfer.name for transfer in results.plan.transfers)
    about = (
        f"What is learned is learned on {sources}. A target is not used to learn or to choose "
        "anything; the epoch is chosen on the source data."
    )
    seen = "".join(f'<p class="alarm">{escape(text)}</p>' for text in facts.seen_targets(results))
    return (
        f'<header class="wrap">\n<h1>{escape(title)}</h1>\n'
        f'<p class="verdict">{escape(facts.headline(results))}</p>\n'
        f"{seen}<p>{escape(about)} {escape(facts.spread_note(results))}</p>\n"
        f'<nav aria-label="on this page"><a href="#overview">Overview</a>{targets}'
        '<a href="#data">Data</a><a href="#methods">Methods</a><a href="#made">How it was made</a>'
        "</nav>\n</header>\n"
    )


def _overview(results: Results) -> str:
    found = [t.upright() for metric in MAIN if (t := overview(results, metric))]
    narrow = all(len(table.columns) <= SIDE_BY_SIDE for table in found)
    tables = "".join(_table(table, ours=title_of(results.reference)) for table in found)
    parts = [
        '<section id="overview"><h2>Overview</h2>',
        f'<div class="{"pair" if narrow else ""}">{tables}</div>',
    ]
    if summary := balance(results):
        parts.append(_table(summary))
    if lost := not_best(results):
        name = escape(title_of(results.reference))
        parts.append(f"<h3>Where {name} is not best</h3>{_list(lost)}")
    return "".join(parts) + "</section>\n"


def _target(results: Results, number: int, key: Key, examples: Path) -> str:
    parts = [
        f'<section class="target" id="target-{number}"><h2>{escape(where(results, key))} '
        f"<small>learned on {escape(key.transfer)}</small></h2>",
        _table(target_table(results, key), caption=False, ours=title_of(results.reference)),
    ]
    if differences := difference_table(results, key):
        parts.append(f"<h3>{escape(differences.caption)}</h3>")
        parts.append(_table(differences, caption=False))
    if curves := _curves(results, key):
        parts.append(f"<h3>Curves</h3>{curves}")
    if cards := example_cards(results, key, examples):
        name, axis = escape(title_of(results.reference)), axis_of(cards)
        parts.append(
            f"<h3>Heat maps</h3><p>Where {name} finds the defect best and worst, and the good "
            "image it suspects most, if there is one. First seed. The colours of each method "
            "have one scale for all images of the target.</p>"
            f'<div class="cards">{"".join(card_html(card, axis) for card in cards)}</div>'
        )
    return "".join(parts) + "</section>\n"


def _curves(results: Results, key: Key) -> str:
    """Panels of all methods but the ablations; empty where nothing is defined."""
    ours = results.reference
    others = [m for m in results.plan.methods if m != ours and not m.startswith(f"{ours}-")]
    methods = [m for m in (ours, *others) if results.cells(key, m)][:COLOURS]
    parts = {m: [p for c in results.cells(key, m) for p in results.store.parts(c)] for m in methods}
    panels: list[str] = []
    shown: dict[str, Line] = {}
    for kind, title, up, limit in PANELS:
        lines = [
            Line(title_of(method), number, height)
            for number, method in enumerate(methods)
            if (height := curve_of(parts[method], kind)) is not None
        ]
        if lines:
            panels.append(svg(title, lines, limit=limit, up=up))
            shown |= {line.name: line for line in lines}
    if not panels:
        return ""
    return f'<div class="curves">{"".join(panels)}</div>{legend(list(shown.values()))}'


def _data(results: Results, making: Making) -> str:
    parts = ['<section id="data"><h2>Data</h2>', _table(facts.data_table(results))]
    if missing := facts.missing_table(results):
        parts.append(_table(missing, words=True))
    if overlap := facts.overlap_table(making):
        parts.append(_table(overlap, words=True))
    else:
        parts.append("<p>Overlap of auxiliary and target images was not checked.</p>")
    if notes := facts.unreadable_notes(results):
        parts.append(f"<h3>Images left out</h3>{_list(notes)}")
    return "".join(parts) + "</section>\n"


def _methods(results: Results) -> str:
    parts = ['<section id="methods"><h2>Methods</h2>']
    if times := facts.time_table(results):
        parts.append(_table(times))
    parts.append("<h3>Sources, settings and deviations</h3>")
    for title, source, settings, deviations in facts.method_notes(results):
        missing = "none known"
        parts.append(
            f"<details open><summary>{escape(title)}</summary><p>{escape(source)}</p>"
            f"<p>Settings</p>{_list(settings)}<p>Deviations from the published method</p>"
            f"{_list(deviations or (missing,))}</details>"
        )
    return "".join(parts) + "</section>\n"


def _made(results: Results, making: Making) -> str:
    lines = [*facts.making_lines(making), *facts.setting_lines(results), facts.bins_note(results)]
    parts = [f'<section id="made"><h2>How it was made</h2>{_list(lines)}']
    if sources := facts.source_notes(results):
        parts.append(
            f"<h3>Published figures</h3>{_list(sources)}<p>They stand beside ours, from other "
            "backbones, prompts and copies of the data: not a claim that the settings are equal. "
            "Published AUPRO stands in the column of its own computation, legacy-200.</p>"
        )
    return "".join(parts) + "</section>\n"


def _table(table: Table, *, caption: bool = True, words: bool = False, ours: str = "") -> str:
    """A table as HTML; the row named ``ours`` is marked."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    body = "".join(_row(row, ours) for row in table.rows)
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in table.notes)
    said = f"<caption>{escape(table.caption)}</caption>" if caption else ""
    return (
        f'<div class="panel table{" words" if words else ""}"><table>{said}'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}</div>\n"
    )


def _row(cells: tuple[Cell, ...], ours: str) -> str:
    first, *others = cells
    name = first.kind or ("ours" if first.text == ours else "")
    kind = f' class="{name}"' if name else ""
    told = "".join(_cell(cell) for cell in others)
    return f'<tr{kind}><th scope="row">{_said(first)}</th>{told}</tr>'


def _cell(cell: Cell) -> str:
    kinds = [cell.kind] * (cell.kind in {"better", "worse"}) + ["best"] * cell.best
    name = f' class="{" ".join(kinds)}"' if kinds else ""
    return f"<td{name}>{_said(cell)}</td>"


def _said(cell: Cell) -> str:
    small = f"<small>{escape(cell.small)}</small>" if cell.small else ""
    return escape(cell.text) + small


def _list(texts: Iterable[str]) -> str:
    return f'<ul class="plain">{"".join(f"<li>{escape(text)}</li>" for text in texts)}</ul>'
