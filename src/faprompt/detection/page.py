"""One HTML page of heat maps and figures: a file that needs no other file and asks no host.

A page is plain dataclasses; :func:`render_page` turns it into text. Nothing in it is trusted:
every text is escaped, and the page's own policy forbids scripts and requests.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from PIL import Image

from faprompt.detection.page_pictures import data_uri, scale_gradient
from faprompt.detection.page_scores import strips
from faprompt.detection.page_style import CSS
from faprompt.detection.score_axis import ScoreAxis, score_text

FEW = 2
"""Pictures that a narrow card has room for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """One picture of a card."""

    caption: str
    """What kind of picture this is, shown under it."""
    alt: str
    """What is seen, for those who do not see it; shown in the place of a missing picture."""
    image: Image.Image | None
    """None: there is nothing to show."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """One image with all that is said of it."""

    title: str
    group: str
    """Cards of a group stand together under this heading."""
    scores: tuple[tuple[str, float], ...]
    """Name of a model, image score in [0, 1]; at least one."""
    pictures: tuple[Picture, ...]
    tag: str = ""
    """The truth, as far as known: good, or the kind of defect."""
    anomalous: bool | None = None
    """None: not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """A small table of fractions, shown in percent."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]
    """Name and a value per column; None is undefined."""
    names: str = ""
    """What the rows are."""
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ColourBar:
    """What the colours of one model's heat maps mean."""

    name: str
    limits: tuple[float, float]
    """Anomaly values at which colour starts and is full."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Everything on a page."""

    title: str
    intro: tuple[str, ...]
    """Paragraphs."""
    cards: tuple[Card, ...]
    """In any order: they are shown by group, then by their first score, highest first."""
    groups: tuple[str, ...] = ()
    """Those that come first, in this order; the others follow by name."""
    bars: tuple[ColourBar, ...] = ()
    figures: Figures | None = None
    reading: tuple[tuple[str, str], ...] = ()
    """How to read the page: heading and paragraph."""
    footer: tuple[str, ...] = ()


def render_page(page: Page) -> str:
    """Turn a page into one self-contained HTML document.

    Example:
        >>> text = render_page(Page(title="2 < 3", intro=(), cards=()))
        >>> "<title>2 &lt; 3</title>" in text
        True
    """
    axis = axis_of(page.cards)
    top = "".join([_figures(page.figures), _strips(page.cards, axis), _bars(page.bars)])
    body = (
        f'<header class="wrap">\n<h1>{escape(page.title)}</h1>\n'
        f'<div class="intro">{_paragraphs(page.intro)}</div>\n</header>\n<main class="wrap">\n'
        + (f'<div class="top">{top}</div>\n' if top else "")
        + _reading(page.reading)
        + _groups(page.cards, page.groups, axis)
        + f'</main>\n<footer class="wrap">{_paragraphs(page.footer)}</footer>\n'
    )
    return document(page.title, body)


def document(title: str, body: str, *, style: str = "") -> str:
    """A whole self-contained document around a body of HTML.

    Args:
        title: Plain text.
        body: HTML whose texts are escaped.
        style: CSS in addition to that of every page.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        f'<title>{escape(title)}</title>\n<link rel="icon" href="data:,">\n'
        f"<style>{CSS}.scale{{background-image:{scale_gradient()}}}{style}</style>\n</head>\n"
        f"<body>\n{body}</body>\n</html>\n"
    )


def _paragraphs(texts: Iterable[str]) -> str:
    return "".join(f"<p>{escape(text)}</p>" for text in texts)


def _figures(figures: Figures | None) -> str:
    if figures is None:
        return ""
    columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in figures.columns)
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(map(_percent, values))}</tr>'
        for name, values in figures.rows
    )
    note = f'<p class="note">{escape(figures.note)}</p>' if figures.note else ""
    return (
        f'<div class="panel"><table><caption>{escape(figures.caption)}</caption>'
        f'<thead><tr><th scope="col">{escape(figures.names)}</th>{columns}</tr></thead>'
        f"<tbody>{rows}</tbody></table>{note}</div>"
    )


def _percent(value: float | None) -> str:
    return "<td>-</td>" if value is None else f"<td>{100 * value:.1f}</td>"


def _bars(bars: Sequence[ColourBar]) -> str:
    if not bars:
        return ""
    shown = "".join(
        f'<div class="bar"><b>{escape(bar.name)}</b><div class="scale" role="img" '
        f'aria-label="colour scale from clear over amber to dark red"></div><div class="ends">'
        f"<span>clear up to {score_text(bar.limits[0])}</span>"
        f"<span>full from {score_text(bar.limits[1])}</span></div></div>"
        for bar in bars
    )
    return (
        '<div class="panel"><p class="label">Colours of the heat maps</p>'
        f'<div class="bars">{shown}</div><p class="note">The anomaly value of a pixel lies between '
        "0 and 1. The scale is the same for all images of a model.</p></div>"
    )


def _reading(notes: Sequence[tuple[str, str]]) -> str:
    if not notes:
        return ""
    items = "".join(
        f"<div><h3>{escape(heading)}</h3><p>{escape(text)}</p></div>" for heading, text in notes
    )
    return f'<h2>How to read this page</h2>\n<div class="reading">{items}</div>\n'


def axis_of(cards: Iterable[Card]) -> ScoreAxis:
    """The axis on which the scores of all these cards are drawn."""
    return ScoreAxis.of([score for card in cards for _, score in card.scores] or [0.5])


def _strips(cards: Sequence[Card], axis: ScoreAxis) -> str:
    known = [card for card in cards if card.anomalous is not None]
    return strips([(bool(card.anomalous), dict(card.scores)) for card in known], axis)


def _groups(cards: Iterable[Card], first: Sequence[str], axis: ScoreAxis) -> str:
    def key(card: Card) -> tuple[int, str, float, str]:
        place = first.index(card.group) if card.group in first else len(first)
        return place, card.group, -card.scores[0][1], card.title

    ordered = sorted(cards, key=key)
    return "".join(
        f"<section>\n<h2>{escape(group)} <small>{_counts(members)}</small></h2>\n"
        f'<div class="cards{_width(members)}">\n'
        f"{''.join(card_html(card, axis) for card in members)}</div>\n</section>\n"
        for group, found in groupby(ordered, key=lambda card: card.group)
        if (members := list(found))
    )


def _width(cards: Iterable[Card]) -> str:
    """Cards with few pictures are narrow."""
    return "" if any(len(card.pictures) > FEW for card in cards) else " few"


def _counts(cards: Sequence[Card]) -> str:
    if any(card.anomalous is None for card in cards):
        return f"{len(cards)} images"
    anomalous = sum(bool(card.anomalous) for card in cards)
    return f"{len(cards) - anomalous} good, {anomalous} with a defect"


def card_html(card: Card, axis: ScoreAxis) -> str:
    """One card as HTML; the bars beside its scores reach as far as the scores on the axis."""
    kind = {True: " bad", False: " good", None: ""}[card.anomalous]
    tag = f'<span class="tag{kind}">{escape(card.tag)}</span>' if card.tag else ""
    scores = "".join(
        f'<div><dt>{escape(name)}</dt><dd><span class="track" aria-hidden="true">'
        f'<span style="width:{100 * axis.place(score):.1f}%"></span></span>'
        f"<b>{score_text(score)}</b></dd></div>"
        for name, score in card.scores
    )
    return (
        f'<article class="card"><header><h3>{escape(card.title)}</h3>{tag}</header>'
        f'<div class="pictures">{"".join(map(_picture, card.pictures))}</div>'
        f'<dl class="scores">{scores}</dl></article>\n'
    )


def _picture(picture: Picture) -> str:
    if picture.image is None:
        shown = f'<div class="none">{escape(picture.alt)}</div>'
    else:
        width, height = picture.image.size
        shown = (
            f'<img alt="{escape(picture.alt)}" width="{width}" height="{height}" loading="lazy" '
            f'src="{data_uri(picture.image)}">'
        )
    return f"<figure>{shown}<figcaption>{escape(picture.caption)}</figcaption></figure>"
