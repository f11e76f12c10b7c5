"""When things go wrong, and when there is much of everything."""

import re
from pathlib import Path
from typing import Any

import pytest
from desks import GreyModel, png, served
from pages import Opener, desk_at, example_files, opened, upload, wait_scored
from playwright.sync_api import Browser, Page, Route, expect

pytestmark = pytest.mark.browser

MANY = 5000


def test_a_server_that_is_away_is_said_and_its_return_too(open_page: Opener, batch: str) -> None:
    page = open_page(f"#/batch/{batch}")
    wait_scored(page)
    page.route("**/api/v1/**", lambda route: route.abort())
    expect(page.locator("#away")).to_contain_text("does not answer")
    expect(page.locator(".card").first).to_be_visible()  # what was shown stays
    page.unroute("**/api/v1/**")
    expect(page.locator("#away")).to_be_hidden()


def test_a_full_queue_is_waited_for(browser: Browser, tmp_path: Path) -> None:
    model = GreyModel()
    model.gate.clear()
    with (
        desk_at(tmp_path / "desk", served(model), waiting=5) as address,
        opened(browser, address) as page,
    ):
        try:
            page.set_input_files("#files", example_files())
            expect(page.locator("#progress")).to_contain_text("the server's queue is full")
        finally:
            model.gate.set()
        expect(page.locator(".card[data-status=done]")).to_have_count(24)
        expect(page.locator("#refused")).to_be_hidden()


def test_the_key_is_asked_for_and_a_wrong_one_refused(browser: Browser, tmp_path: Path) -> None:
    model = served(GreyModel())
    key = "a long enough key of the desk"
    with desk_at(tmp_path / "desk", model, key=key) as address:
        with opened(browser, address) as page:
            dialog = page.get_by_role("dialog", name="Log in")
            dialog.get_by_label("Key").fill("wrong")
            dialog.get_by_role("button", name="Log in").click()
            expect(dialog.get_by_role("alert")).not_to_be_empty()
            page.keyboard.press("Escape")
            expect(dialog).to_be_visible()
            dialog.get_by_label("Key").fill(key)
            page.keyboard.press("Enter")
            expect(dialog).to_be_hidden()
            upload(page, example_files()[:1])
            expect(page.locator(".thumb.loaded")).to_have_count(1)  # pictures need no header
            page.get_by_role("button", name="Log out").click()
            expect(dialog).to_be_visible()
        with opened(browser, f"{address}#key={key}") as page:
            expect(page.locator("#start")).to_be_visible()
            assert "key=" not in page.url


def test_names_are_text_and_never_markup(open_page: Opener, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>.png"
    (tmp_path / name).write_bytes(png(200))
    page = open_page()
    upload(page, [tmp_path / name], name="<b>bold</b>")
    expect(page.locator("#crumb")).to_have_text("<b>bold</b>")
    expect(page.locator(".card .name")).to_have_text(name)
    page.locator(".card").click()
    expect(page.locator("#viewer-title")).to_have_text(name)


def test_an_address_of_a_batch_that_is_gone_leads_to_the_start(open_page: Opener) -> None:
    page = open_page("#/batch/gone")
    expect(page.locator("#start")).to_be_visible()
    expect(page.get_by_role("log")).not_to_be_empty()


def many(page: Page) -> None:
    """Answer for a batch of 5,000 images that the server does not have."""
    made, model = "2026-01-01T00:00:00Z", "m"
    counts = {"waiting": 0, "running": 0, "done": MANY, "failed": 0, "cancelled": 0}
    batch: dict[str, Any] = {
        "id": "many",
        "name": "many",
        "model": model,
        "station": None,
        "tile": None,
    }
    batch |= {"status": "done", "created": made, "counts": counts, "images_per_second": None}

    def item(i: int) -> dict[str, Any]:
        score = (i * 7919 % MANY) / MANY  # every score once, in no order
        fixed: dict[str, Any] = {
            "status": "done",
            "error": None,
            "label": None,
            "regions": [],
            "station": None,
        }
        size = {"width": 12, "height": 8, "sha256": "0", "milliseconds": 1.0}
        own = {"id": f"i{i}", "name": f"{i:05d}.png", "image_score": score, "decision": None}
        return {
            **fixed,
            **size,
            **own,
            "colour_limits": [0.4, 0.6],
            "created": made,
            "model": model,
        }

    def items(route: Route) -> None:
        found = re.search(r"after=(\d+)", route.request.url)
        after = int(found[1]) if found else 0
        upto = min(MANY, after + 500)
        rows = [item(i) for i in range(after, upto)]
        route.fulfill(json={"change": upto, "items": rows, "more": upto < MANY})

    page.route("**/api/v1/batches/many", lambda route: route.fulfill(json=batch))
    page.route("**/api/v1/batches/many/items*", items)
    page.route(
        "**/api/v1/items/**", lambda route: route.fulfill(body=png(100), content_type="image/png")
    )


def test_five_thousand_images_are_few_elements(open_page: Opener) -> None:
    page = open_page()
    many(page)
    page.evaluate("location.hash = '#/batch/many'")
    first = page.locator(".card[aria-posinset='1']")
    expect(first).to_have_attribute("aria-setsize", str(MANY))
    expect(first.locator(".score")).to_have_text("0.99980")
    assert page.locator(".card").count() < 150
    page.get_by_role("listbox").focus()
    page.keyboard.press("End")
    last = page.locator(f".card[aria-posinset='{MANY}']")
    expect(last).to_be_in_viewport()
    expect(last.locator(".score")).to_have_text("0.000")
    assert page.locator(".card").count() < 150
    height = page.evaluate("document.documentElement.scrollHeight")
    page.evaluate("y => scrollTo(0, y)", height / 2)
    expect(page.locator(f".card[aria-posinset='{MANY // 2}']")).to_be_visible()
    page.locator("#ng-range").press("Home")
    expect(page.locator(".counter[data-verdict=NG] .number")).to_have_text("5,000")


def test_a_new_order_does_not_move_what_is_looked_at(open_page: Opener) -> None:
    """Scores that come in above the window must not push the cards in it away."""
    page = open_page()
    many(page)
    page.evaluate("location.hash = '#/batch/many'")
    expect(page.locator(".card[aria-posinset='1']")).to_have_attribute("aria-setsize", str(MANY))
    page.evaluate("scrollTo(0, 20000)")
    seen = page.wait_for_function(
        "document.elementFromPoint(innerWidth / 2, innerHeight / 2).closest('.card')?.id"
    ).json_value()
    before = page.locator(f"#{seen}").bounding_box()
    page.evaluate(
        """async () => {
            const { store } = await import(new URL('js/store.js', document.baseURI));
            const rows = [...store.items.values()].slice(0, 700);
            store.merge(rows.map((row, i) => ({ ...row, id: `new${i}`, image_score: 1 })));
        }"""
    )
    expect(page.locator(f"#{seen}")).to_have_attribute("aria-setsize", str(MANY + 700))
    after = page.locator(f"#{seen}").bounding_box()
    assert before
    assert after
    assert after["y"] == pytest.approx(before["y"], abs=220)  # at most a row: columns may shift it
    assert page.evaluate("scrollY") > 30000
