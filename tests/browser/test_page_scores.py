"""Scores of a steep model: told apart by texts, axis and thresholds; exported as they are."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from desks import GreyModel, png, served
from pages import desk_at, opened, slide, upload
from playwright.sync_api import Browser, Page, expect

from faprompt.detection.prediction import Prediction
from faprompt.detection.score_axis import ScoreAxis, log_odds, score_text, threshold_text

pytestmark = pytest.mark.browser

GREYS = (60, 130, 150, 180, 220)


def steep(grey: int) -> float:
    """1.000 to three digits from 133 on."""
    return float(1 - 10 ** (-grey / 40))


class SteepModel(GreyModel):
    """Scores near 1, as a model with a small temperature gives them."""

    def predict(self, *args: Any, **options: Any) -> Iterator[Prediction]:
        for found in super().predict(*args, **options):
            yield replace(found, image_score=steep(round(255 * found.image_score)))


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A batch of five grey images with steep scores."""
    paths = [tmp_path / f"{grey}.png" for grey in GREYS]
    for path, grey in zip(paths, GREYS, strict=True):
        path.write_bytes(png(grey))
    with (
        desk_at(tmp_path / "desk", served(SteepModel())) as address,
        opened(browser, address) as page,
    ):
        upload(page, paths, name="steep")
        yield page


def test_crowded_scores_have_texts_bars_and_thresholds_of_their_own(page: Page) -> None:
    texts = [score_text(steep(grey)) for grey in GREYS]
    assert len(set(texts)) == len(GREYS)
    for place, text in enumerate(reversed(texts), start=1):
        expect(page.locator(f".card[aria-posinset='{place}'] .score")).to_have_text(text)
    expect(page.locator(".histogram .bar-none")).to_have_count(len(GREYS))
    number = page.locator(".counter[data-verdict=NG] .number")
    for many, grey in ((3, 140), (2, 165), (1, 200)):
        slide(page, "NG from", steep(grey))
        expect(number).to_have_text(str(many))


def test_a_typed_threshold_holds_to_its_last_digit_and_keys_step_evenly(page: Page) -> None:
    field = page.get_by_label("NG from, value")
    field.fill("0.99982")  # 150 has 0.999822, 130 has 0.99944
    field.press("Enter")
    number = page.locator(".counter[data-verdict=NG] .number")
    expect(number).to_have_text("3")
    field.fill("0.999823")
    field.press("Enter")
    expect(number).to_have_text("2")
    field.press("ArrowDown")
    value = float(field.input_value())
    assert log_odds(0.999823) - log_odds(value) == pytest.approx(0.02, abs=0.01)
    expect(number).to_have_text("3")


def test_nearest_to_the_threshold_is_meant_along_the_axis(page: Page) -> None:
    """By the difference of scores 180 and 220 would be nearer than 130."""
    field = page.get_by_label("NG from, value")
    field.fill("0.9998")
    field.press("Enter")
    page.get_by_role("combobox", name="Sort").select_option("near")
    for place, grey in enumerate((150, 130, 180, 220, 60), start=1):
        card = page.locator(f".card[aria-posinset='{place}']")
        expect(card.locator(".score")).to_have_text(score_text(steep(grey)))


def test_the_facts_and_exports_hold_raw_scores(page: Page) -> None:
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    rows = {row["name"]: float(row["image_score"]) for row in csv.DictReader(io.StringIO(text))}
    assert rows == {f"{grey}.png": steep(grey) for grey in GREYS}
    page.locator(".card[aria-posinset='1']").click()
    facts = page.locator("#viewer .facts").text_content() or ""
    assert str(steep(GREYS[-1])) in facts


def test_the_page_and_the_reports_show_scores_alike(page: Page) -> None:
    rng = np.random.default_rng(4)
    steps = 10.0 ** -rng.uniform(0, 9, 300)
    scores = [0.0, 0.5, 1.0, *steps, *(1 - steps), *rng.uniform(size=300)]
    found = page.evaluate(
        """async (scores) => {
            const of = (name) => import(new URL(`js/${name}.js`, document.baseURI));
            const { score, threshold } = await of('format');
            const { Scale } = await of('scale');
            const axes = scores.map((_, i) => {
                const scale = new Scale();
                scale.include(scores.slice(i, i + 1 + i % 5));
                return [scale.low, scale.high, scale.ticks()];
            });
            return [scores.map(score), scores.map(threshold), axes];
        }""",
        scores,
    )
    assert found[0] == [score_text(score) for score in scores]
    assert found[1] == [threshold_text(score) for score in scores]
    axes = [ScoreAxis.of(scores[i : i + 1 + i % 5]) for i in range(len(scores))]
    assert found[2] == [[axis.low, axis.high, axis.ticks()] for axis in axes]
