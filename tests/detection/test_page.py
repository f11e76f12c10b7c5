import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from faprompt.detection.page import Card, ColourBar, Figures, Page, Picture, render_page
from faprompt.detection.page_pictures import OUTLINE, data_uri, outlined, scale_gradient

VOID = {"meta", "link", "img", "br"}


class Reader(HTMLParser):
    """Checks that elements close in order, and keeps tags, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


RED = Picture(caption="image", alt="a nut", image=Image.new("RGB", (40, 30), "red"))
MISSING = Picture(caption="truth", alt="no defect", image=None)


def card(title: str = "a", score: float = 0.5, **changes: Any) -> Card:
    plain = Card(
        title=title,
        group="nut",
        tag="good",
        anomalous=False,
        scores=(("fresh", score),),
        pictures=(RED,),
    )
    return replace(plain, **changes)


def page_of(*cards: Card) -> str:
    return render_page(Page(title="t", intro=(), cards=cards))


def named(name: str) -> Page:
    """A page on which everything is called the same."""
    picture = Picture(caption=name, alt=name, image=None)
    return Page(
        title=name,
        intro=(name,),
        cards=(card(name, group=name, tag=name, pictures=(picture,), scores=((name, 0.5),)),),
        bars=(ColourBar(name=name, limits=(0, 1)),),
        figures=Figures(caption=name, columns=(name,), rows=((name, (0.5,)),), names=name),
        reading=((name, name),),
        footer=(name,),
    )


@pytest.fixture
def page() -> Page:
    return Page(
        title="Nuts & bolts",
        intro=("one", "two"),
        figures=Figures(
            caption="percent", columns=("AUROC", "AUPRO"), rows=(("fresh", (0.9314, None)),)
        ),
        bars=(ColourBar(name="fresh", limits=(0.41, 0.99983)),),
        cards=(card(), card("b", 0.9, tag="hole", anomalous=True, pictures=(MISSING,))),
        reading=(("Score", "larger is worse"),),
        footer=("end",),
    )


def test_elements_are_balanced_and_headings_in_order(page: Page) -> None:
    tags = [tag for tag, _ in Reader(render_page(page)).tags]
    headings = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))


def test_nothing_is_asked_of_anyone(page: Page) -> None:
    text = render_page(page)
    reader = Reader(text)
    addresses = [
        value
        for _, attributes in reader.tags
        for name, value in attributes.items()
        if name in {"src", "href", "srcset", "action", "poster"}
    ]
    assert addresses
    assert all(value and value.startswith("data:") for value in addresses)
    assert not re.search(r"https?://|@import|url\(|<script", text)
    policy = [a["content"] for a in reader.all("meta") if "http-equiv" in a]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_every_picture_says_what_it_shows(page: Page) -> None:
    reader = Reader(render_page(page))
    assert [image["alt"] for image in reader.all("img")] == ["a nut"]
    assert "no defect" in reader.text  # stands in for the missing picture
    assert all(a.get("aria-label") for _, a in reader.tags if a.get("role") == "img")


def test_figures_limits_and_texts_are_shown(page: Page) -> None:
    text = Reader(render_page(page)).text
    limits = "clear up to 0.410", "full from 0.99983"
    for shown in ("Nuts & bolts", "two", "93.1", "-", *limits, "end"):
        assert shown in text
    assert "1 good, 1 with a defect" in text


@settings(max_examples=30)
@given(st.text(alphabet=st.sampled_from("<>&\"'/ab="), min_size=1).filter(str.strip))
def test_whatever_a_file_is_called_it_stays_text(name: str) -> None:
    reader = Reader(render_page(named(name)))
    assert [tag for tag, _ in reader.tags] == [
        tag for tag, _ in Reader(render_page(named("x"))).tags
    ]
    assert reader.text.count(name) >= 10


def test_cards_stand_by_group_then_by_score() -> None:
    text = page_of(card("low", 0.1), card("high", 0.8), card("other", 0.5, group="bolt"))
    assert text.index(">other<") < text.index(">high<") < text.index(">low<")


def test_named_groups_come_first_and_cards_with_few_pictures_are_narrow() -> None:
    cards = [card(name, group=name) for name in ("other", "OK", "UNSURE", "NG")]
    page = Page(title="t", intro=(), cards=tuple(cards), groups=("NG", "UNSURE", "OK"))
    text = render_page(page)
    headings = [text.index(f"<h2>{name} ") for name in ("NG", "UNSURE", "OK", "other")]
    assert headings == sorted(headings)
    assert text.count('class="cards few"') == 4
    assert 'class="cards"' in page_of(card(pictures=(RED, RED, RED)))


def test_bars_and_marks_of_crowded_scores_stay_apart() -> None:
    text = page_of(card("a", 0.9991), card("b", 0.99991))
    for pattern in (r'<i style="left:([\d.]+)%"', r'<span style="width:([\d.]+)%"'):
        low, high = sorted(float(x) for x in re.findall(pattern, text))
        assert high - low > 50
    assert ">0.99910</b></dd>" in text
    assert ">0.999910</b></dd>" in text


def test_images_without_truth_are_counted_and_not_judged() -> None:
    text = page_of(card("a", anomalous=None, tag=""), card("b", anomalous=None, tag=""))
    assert "2 images" in text
    assert "Image scores" not in text
    assert 'class="tag' not in text


@pytest.mark.parametrize("scores", [(0.5, 0.5), (0.0, 1.0), (1.0, 1.0)])
def test_marks_stay_on_the_strip(scores: tuple[float, float]) -> None:
    text = page_of(*(card(str(i), score) for i, score in enumerate(scores)))
    places = [float(x) for x in re.findall(r'<i style="left:([\d.]+)%"', text)]
    assert len(places) == 2
    assert all(0 <= place <= 100 for place in places)


def test_outline_runs_around_the_defect_and_hides_none_of_it() -> None:
    mask = np.zeros((60, 80), np.bool_)
    mask[20:40, 30:50] = True
    pixels = np.array(outlined(Image.new("RGB", (80, 60), "white"), mask))
    line = (pixels == OUTLINE).all(axis=2)
    assert line.any()
    assert not (line & mask).any()
    assert not line[:10].any()


@pytest.mark.parametrize(("size", "shown"), [((4000, 2000), (256, 128)), ((40, 30), (40, 30))])
def test_pictures_are_scaled_down_never_up(size: tuple[int, int], shown: tuple[int, int]) -> None:
    head, _, body = data_uri(Image.new("RGB", size)).partition(",")
    assert head == "data:image/jpeg;base64"
    assert Image.open(BytesIO(b64decode(body))).size == shown


def test_scale_starts_clear_and_ends_strong() -> None:
    stops = re.findall(r"rgba\((\d+),(\d+),(\d+),([\d.]+)\)", scale_gradient())
    shares = [float(stop[3]) for stop in stops]
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert shares[-1] == 0.65
