"""``results.md``: the tables as Markdown."""

from collections.abc import Iterable

from faprompt.protocol import facts
from faprompt.protocol.facts import Making
from faprompt.protocol.results import Results
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
)


def markdown(results: Results, making: Making) -> str:
    """The whole file.

    Args:
        results: Of a finished benchmark.
        making: How it was made.
    """
    parts = [f"# {results.plan.name}: comparison on {results.plan.backbone}"]
    parts += [f"**{_text(text)}**" for text in facts.seen_targets(results)]
    parts += [facts.headline(results), facts.spread_note(results)]
    parts += [_table(t.upright(), 2) for m in MAIN if (t := overview(results, m))]
    if summary := balance(results):
        parts.append(_table(summary, 2))
    if lost := not_best(results):
        parts.append(f"## Where {title_of(results.reference)} is not best\n\n" + _list(lost))
    for key in results.keys:
        parts.append(_table(target_table(results, key), 2))
        if differences := difference_table(results, key):
            parts.append(_table(differences, 3))
    parts += [_table(facts.data_table(results), 2)]
    optional = (
        facts.missing_table(results),
        facts.overlap_table(making),
        facts.time_table(results),
    )
    parts += [_table(table, 2) for table in optional if table]
    parts.append("## How it was made\n\n" + _list(_making(results, making)))
    return "\n\n".join(parts) + "\n"


def _making(results: Results, making: Making) -> list[str]:
    lines = [*facts.making_lines(making), *facts.setting_lines(results)]
    lines += [*facts.unreadable_notes(results), facts.bins_note(results)]
    return lines + [f"published figures, {note}" for note in facts.source_notes(results)]


def _table(table: Table, level: int) -> str:
    lines = [f"{'#' * level} {_text(table.caption)}", "", _row(map(_text, table.columns))]
    lines.append(_row(["---", *["---:"] * (len(table.columns) - 1)]))
    lines += [_row(map(_cell, row)) for row in table.rows]
    lines += [f"\n{_text(note)}" for note in table.notes]
    return "\n".join(lines)


def _row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _cell(cell: Cell) -> str:
    text = f"**{_text(cell.text)}**" if cell.best else _text(cell.text)
    return f"{text} ({_text(cell.small)})" if cell.small else text


def _list(texts: Iterable[str]) -> str:
    return "\n".join(f"* {_text(text)}" for text in texts)


def _text(text: str) -> str:
    """Names of others must not break a table or become markup."""
    for mark in "\\|<>*`[]":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
