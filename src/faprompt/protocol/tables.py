"""The tables of a report, once for Markdown and HTML. Figures are percent."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from faprompt.protocol.methods import METHODS
from faprompt.protocol.published import SHORT, SOURCES, TITLES, published_for
from faprompt.protocol.results import Key, Results
from faprompt.protocol.scoring import LEGACY
from faprompt.protocol.statistics import RESAMPLED, Difference, Summary

HEADINGS = {
    "image_auroc": "image AUROC",
    "image_ap": "image AP",
    "image_f1max": "image F1-max",
    "pixel_auroc": "pixel AUROC",
    "pixel_ap": "pixel AP",
    "pixel_f1max": "pixel F1-max",
    "pixel_aupro": "AUPRO",
    LEGACY: "AUPRO legacy-200",
}
MAIN = ("image_auroc", "image_ap", "pixel_auroc", "pixel_aupro")
"""Metrics that papers print."""
NONE = "-"


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of a table."""

    text: str
    small: str = ""
    """Below it, in small type."""
    best: bool = False
    kind: str = ""
    """``better``, ``worse``, ``published`` or nothing."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose first column names the rows."""

    caption: str
    columns: tuple[str, ...]
    """Headings; the first is that of the names."""
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = field(default=())

    def turned(self) -> "Table":
        """Rows as columns: for tables of few rows and many columns."""
        first, *others = self.columns
        heads = (first, *(row[0].text for row in self.rows))
        rows = tuple(
            (Cell(name), *(row[number] for row in self.rows))
            for number, name in enumerate(others, start=1)
        )
        return Table(self.caption, heads, rows, self.notes)

    def upright(self) -> "Table":
        """The table, turned where it would be wider than high."""
        return self.turned() if len(self.rows) < len(self.columns) - 1 else self


def title_of(method: str) -> str:
    """As tables show a method."""
    return METHODS[method].title if method in METHODS else TITLES.get(method, method)


def percent(value: float) -> str:
    """A fraction in percent, one decimal."""
    return f"{100 * value:.1f}"


def where(results: Results, key: Key) -> str:
    """Name of a target; with what was learned from, where the plan has several transfers."""
    several = len(results.plan.transfers) > 1
    return f"{key.target} (from {key.transfer})" if several else key.target


def overview(results: Results, metric: str) -> Table | None:
    """One metric: targets by methods, best in bold; None if it is defined nowhere."""
    methods = results.plan.methods
    rows = []
    complete: list[list[float]] = []
    for key in results.keys:
        means = [_mean(results, key, method, metric) for method in methods]
        if all(mean is None for mean in means):
            continue
        rows.append((Cell(where(results, key)), *_marked(_summaries(results, key, metric))))
        complete += [[m for m in means if m is not None]] * all(m is not None for m in means)
    if not rows:
        return None
    if len(complete) > 1:
        averages = [sum(column) / len(complete) for column in zip(*complete, strict=True)]
        cells = (Cell(percent(a), best=_same(a, max(averages))) for a in averages)
        rows.append((Cell(f"mean of {len(complete)}"), *cells))
    return Table(HEADINGS[metric], ("", *map(title_of, methods)), tuple(rows))


def target_table(results: Results, key: Key) -> Table:
    """All metrics of one target: our methods, then published figures with their sources."""
    columns = [_marked(_summaries(results, key, m), intervals=True) for m in HEADINGS]
    rows: list[tuple[Cell, ...]] = [
        (Cell(title_of(method)), *(column[i] for column in columns))
        for i, method in enumerate(results.plan.methods)
    ]
    rows += _published_rows(results, key)
    return _without_empty(
        Table(
            where(results, key), ("method", *HEADINGS.values()), tuple(rows), _notes(results, key)
        )
    )


def _without_empty(table: Table) -> Table:
    """The table without columns that hold nothing."""
    kept = [i for i in range(len(table.columns)) if any(r[i].text != NONE for r in table.rows)]
    rows = tuple(tuple(row[i] for i in kept) for row in table.rows)
    return Table(table.caption, tuple(table.columns[i] for i in kept), rows, table.notes)


def _notes(results: Results, key: Key) -> tuple[str, ...]:
    """Why figures are undefined, metrics of one reason together."""
    metrics: dict[str, list[str]] = {}
    for metric, heading in HEADINGS.items():
        found = {s.reason for s in _summaries(results, key, metric) if s and s.reason}
        for reason in sorted(found):
            metrics.setdefault(reason, []).append(heading)
    notes = [f"Undefined: {', '.join(names)}: {reason}." for reason, names in metrics.items()]
    entries = (e for method in results.plan.methods for e in results.entries(key, method))
    failed = {f"Missing: {title_of(e.method)}: {e.reason}." for e in entries if e.reason}
    return (*notes, *sorted(failed))


def difference_table(results: Results, key: Key) -> Table | None:
    """The reference minus every other method, with intervals; None without any."""
    rows = []
    for method in results.plan.methods:
        if method == results.reference:
            continue
        found = [results.difference(key, method, metric) for metric in RESAMPLED]
        if any(found):
            rows.append((Cell(title_of(method)), *map(_difference_cell, found)))
    if not rows:
        return None
    headings = ("against", *(HEADINGS[metric] for metric in RESAMPLED))
    caption = f"{title_of(results.reference)} minus the others"
    return _without_empty(Table(caption, headings, tuple(rows)))


def balance(results: Results) -> Table | None:
    """How often the reference is better or worse than each method, over targets and metrics."""
    rows = []
    for method in results.plan.methods:
        found = [
            difference
            for _, other, metric, difference in results.differences()
            if other == method and metric in MAIN
        ]
        if not found:
            continue
        verdicts = [difference.verdict for difference in found]
        mean = sum(difference.value for difference in found) / len(found)
        rows.append(
            (
                Cell(title_of(method)),
                Cell(str(verdicts.count(1)), kind="better" if 1 in verdicts else ""),
                Cell(str(verdicts.count(0))),
                Cell(str(verdicts.count(-1)), kind="worse" if -1 in verdicts else ""),
                Cell(f"{100 * mean:+.1f}"),
            )
        )
    if not rows:
        return None
    name = title_of(results.reference)
    heads = ("against", "better", "not told apart", "worse", "mean difference")
    return Table(f"{name} against the others, over targets and the four main metrics", heads,
                 tuple(rows))  # fmt: skip


def not_best(results: Results) -> list[str]:
    """Where another method has a higher figure than the reference, in words."""
    found = []
    ours = results.reference
    for key in results.keys:
        for metric in MAIN:
            means = {m: _mean(results, key, m, metric) for m in results.plan.methods}
            mine = means.pop(ours)
            defined = {m: v for m, v in means.items() if v is not None}
            if mine is None or not defined or max(defined.values()) <= mine:
                continue
            best = max(defined, key=lambda m: defined[m])
            difference = results.difference(key, best, metric)
            sure = "within what the images can tell"
            if difference is not None and difference.verdict < 0:
                sure = f"told apart, p = {difference.p_value:.3f}"
            found.append(
                f"{where(results, key)}, {HEADINGS[metric]}: {title_of(best)} "
                f"{percent(defined[best])}, {title_of(ours)} {percent(mine)} ({sure})"
            )
    return found


def _summaries(results: Results, key: Key, metric: str) -> list[Summary | None]:
    measured = (results.measured(key, method) for method in results.plan.methods)
    return [found.summaries[metric] if found else None for found in measured]


def _mean(results: Results, key: Key, method: str, metric: str) -> float | None:
    found = results.measured(key, method)
    return found.summaries[metric].mean if found else None


def _marked(summaries: Sequence[Summary | None], *, intervals: bool = False) -> list[Cell]:
    """Cells of one metric; the best (as printed) is marked."""
    best = max((s.mean for s in summaries if s and s.mean is not None), default=None)
    cells = []
    for summary in summaries:
        if summary is None or summary.mean is None:
            cells.append(Cell(NONE))
            continue
        text = percent(summary.mean)
        text += f" ± {percent(summary.std)}" if summary.std is not None else ""
        small = ""
        if intervals and summary.interval:
            small = f"{percent(summary.interval[0])} to {percent(summary.interval[1])}"
        cells.append(Cell(text, small, best=best is not None and _same(summary.mean, best)))
    return cells


def _same(value: float, best: float) -> bool:
    return percent(value) == percent(best)


def _difference_cell(difference: Difference | None) -> Cell:
    if difference is None:
        return Cell(NONE)
    low, high = (f"{100 * end:+.1f}" for end in difference.interval)
    kind = {1: "better", 0: "", -1: "worse"}[difference.verdict]
    small = f"{low} to {high}, p = {difference.p_value:.3f}"
    return Cell(f"{100 * difference.value:+.1f}", small, kind=kind)


def _published_rows(results: Results, key: Key) -> list[tuple[Cell, ...]]:
    """One row per source and method, in the order of sources."""
    figures = published_for(key.target, results.plan.published)
    rows = []
    for source in SOURCES:
        for method in dict.fromkeys(f.method for f in figures if f.source == source):
            values = {
                f.metric: f.value for f in figures if (f.source, f.method) == (source, method)
            }
            name = Cell(title_of(method), f"published: {SHORT[source]}", kind="published")
            cells = (
                Cell(percent(values[m]) if m in values else NONE, kind="published")
                for m in _published_columns()
            )
            rows.append((name, *cells))
    return rows


def _published_columns() -> list[str]:
    """Published AUPRO is the legacy one, and stands in its column (METHOD 8.8)."""
    return [{"pixel_aupro": "", LEGACY: "pixel_aupro"}.get(m, m) for m in HEADINGS]
