"""An inspection from the first drop to the calibrated station, by mouse and keys."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from desks import GreyModel, served
from pages import (
    EXAMPLES,
    PHONE,
    Opener,
    desk_at,
    example_files,
    opened,
    script,
    slide,
    upload,
    wait_scored,
)
from patience import until
from playwright.sync_api import Browser, Page, expect

from faprompt.detection.review_files import NEEDED
from faprompt.detection.score_axis import score_text

pytestmark = pytest.mark.browser


def api(page: Page, path: str) -> Any:
    reply = page.request.get(page.url.split("#")[0] + "api/v1/" + path)
    assert reply.ok, reply.text()
    return reply.json()


def items(page: Page, batch: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api(page, f"batches/{batch}/items?limit=500")["items"]
    return found


def shown(page: Page) -> list[str]:
    """Scores of the cards in sight, in the order of their places."""
    cards = page.locator(".card")
    rows = cards.evaluate_all(
        "all => all.map(c => [+c.ariaPosInSet, c.querySelector('.score').textContent])"
    )
    return [score for _, score in sorted(rows)]


def threshold(page: Page, name: str) -> float:
    field = page.get_by_label(f"{name} from, value")
    expect(field).not_to_have_value("")
    return float(field.input_value())


def counts(page: Page) -> dict[str, str]:
    buttons = page.locator(".counter")
    rows = buttons.evaluate_all(
        "all => all.map(b => [b.dataset.verdict, b.querySelector('.number').textContent])"
    )
    return dict(rows)


def test_images_are_scored_and_sorted_and_a_bad_file_costs_no_good_one(
    open_page: Opener, tmp_path: Path
) -> None:
    bad, text = tmp_path / "bad.png", tmp_path / "notes.txt"
    bad.write_bytes(b"no image at all")
    text.write_text("not sent")
    page = open_page()
    batch = upload(page, [*example_files()[:6], bad, text], name="six")
    expect(page.locator("#refused")).to_contain_text("1 file was refused")
    expect(page.locator("#refused li")).to_contain_text("bad.png")
    expect(page.get_by_role("log")).to_contain_text("1 file that is no image was left out")
    expect(page.locator(".card")).to_have_count(6)
    stored = sorted(item["image_score"] for item in items(page, batch))
    texts = [score_text(score) for score in stored]
    assert shown(page) == texts[::-1]
    page.get_by_role("combobox", name="Sort").select_option("low")
    expect(page.locator(".card[aria-posinset='1'] .score")).to_have_text(texts[0])


def test_a_folder_keeps_its_names_and_names_the_batch(open_page: Opener) -> None:
    page = open_page()
    page.set_input_files("#folder", EXAMPLES / "dial" / "test" / "good")
    expect(page.locator("#work")).to_be_visible()
    wait_scored(page)
    expect(page.locator("#crumb")).to_have_text("good")
    expect(page.locator("#said")).to_have_text("Finished: 4 images scored")
    names = {card.get_attribute("title") for card in page.locator(".card").all()}
    assert names == {f"good/{number}.jpg" for number in ("004", "010", "016", "022")}


def test_a_dropped_folder_is_walked_through_to_its_last_file(open_page: Opener) -> None:
    names, left, batch = open_page().evaluate(script("dropped_folder"), 250)
    assert names == [*(f"parts/good/{i}.png" for i in range(250)), "parts/bad.tif"]
    assert (left, batch) == (1, "parts")  # hidden files are not worth a word


def test_files_can_be_dropped_and_more_can_be_added(open_page: Opener) -> None:
    page = open_page()
    paths = example_files()[:2]
    transfer = page.evaluate_handle("() => new DataTransfer()")
    for path in paths:
        data = list(path.read_bytes())
        transfer.evaluate(script("add_file"), [path.name, data])
    page.dispatch_event("#drop", "dragenter", {"dataTransfer": transfer})
    expect(page.get_by_text("Drop to add the images")).to_be_visible()
    page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})
    wait_scored(page)
    expect(page.locator(".card")).to_have_count(2)
    page.set_input_files("#files", example_files()[2])
    expect(page.locator(".card[data-status=done]")).to_have_count(3)


def test_earlier_batches_can_be_opened_and_deleted(open_page: Opener) -> None:
    page = open_page()
    upload(page, example_files()[:1], name="to be deleted")
    page.get_by_role("link", name="Batches").click()
    page.get_by_role("link", name="to be deleted 1 image").click()
    expect(page.locator(".card[data-status=done]")).to_have_count(1)
    row = page.locator(".batches li", has_text="to be deleted")
    row.evaluate("node => (node.dataset.same = 'yes')")
    page.get_by_role("link", name="faprompt desk").click()
    expect(page.locator("#start")).to_be_visible()
    page.wait_for_load_state("networkidle")
    expect(row).to_have_attribute("data-same", "yes")  # made anew it would lose clicks on their way
    page.get_by_role("button", name="Delete batch to be deleted").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("link", name="to be deleted 1 image")).to_have_count(0)
    assert all(one["name"] != "to be deleted" for one in api(page, "batches")["batches"])


def test_the_sliders_move_counts_histogram_and_cards(open_page: Opener, batch: str) -> None:
    page = open_page(f"#/batch/{batch}")
    wait_scored(page)
    assert counts(page) == dict.fromkeys(("OK", "UNSURE", "NG"), "\N{EN DASH}")
    scores = sorted(item["image_score"] for item in items(page, batch))
    slide(page, "NG from", scores[20])
    slide(page, "UNSURE from", scores[15])
    ng, unsure = threshold(page, "NG"), threshold(page, "UNSURE")
    above, between = sum(s >= ng for s in scores), sum(unsure <= s < ng for s in scores)
    expect(page.locator(".counter[data-verdict=NG] .number")).to_have_text(str(above))
    assert counts(page) == {
        "OK": str(24 - above - between),
        "UNSURE": str(between),
        "NG": str(above),
    }
    expect(page.locator(".card[data-verdict=NG]")).to_have_count(above)
    expect(page.locator(".histogram .edge.ng")).to_have_count(1)
    page.get_by_role("button", name="UNSURE").click()
    expect(page.locator(".card")).to_have_count(between)
    slide(page, "UNSURE from", 1.0)  # UNSURE never begins above NG: both move
    top = page.get_by_role("slider", name="NG from")
    assert top.evaluate("e => e.max - e.value") < 0.05  # a step, and rounding
    expect(page.locator("#empty")).to_contain_text("No image is of this kind")


def test_the_histogram_takes_the_pointer(open_page: Opener, batch: str) -> None:
    page = open_page(f"#/batch/{batch}")
    wait_scored(page)
    plot = page.locator(".plot")
    box = plot.bounding_box()
    assert box
    page.mouse.move(box["x"] + 10, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.up()
    slider = page.get_by_role("slider", name="NG from")
    low, high, value = slider.evaluate("e => [+e.min, +e.max, e.valueAsNumber]")
    assert value == pytest.approx((low + high) / 2, abs=0.05)


def test_labels_by_keyboard_reach_the_server(open_page: Opener) -> None:
    page = open_page()
    batch = upload(page, example_files()[:4], name="labels")
    page.get_by_role("listbox").focus()
    for key in ("n", "ArrowRight", "o", "ArrowRight", "o", "u"):
        page.keyboard.press(key)
    expect(page.locator(".card[data-label=ng]")).to_have_count(1)
    expect(page.locator("#agreement")).to_contain_text("Labelled OK")
    expect(page.locator(".histogram .bar-ng")).to_have_count(1)

    def labels() -> list[str | None]:
        found = sorted(items(page, batch), key=lambda item: -item["image_score"])
        return [item["label"] for item in found]

    until(lambda: labels() == ["ng", "ok", None, None], "all four labels at the server")
    page.keyboard.press("Control+a")
    expect(page.locator("#selection")).to_contain_text("4 images selected")
    page.locator("#selection").get_by_role("button", name="OK").click()
    expect(page.locator(".card[data-label=ok]")).to_have_count(4)


def test_a_refused_label_is_taken_back(open_page: Opener, batch: str) -> None:
    page = open_page(f"#/batch/{batch}")
    wait_scored(page)
    error = {"error": {"status": 500, "message": "the disk is full", "input": None}}
    page.route("**/label", lambda route: route.fulfill(status=500, json=error))
    page.get_by_role("listbox").focus()
    page.keyboard.press("n")
    expect(page.get_by_role("log")).to_contain_text("the disk is full")
    expect(page.locator(".card[data-label=ng]")).to_have_count(0)


def test_calibration_says_what_is_missing_then_decides_the_batch(open_page: Opener) -> None:
    page = open_page()
    good = [path for path in example_files() if path.parent.name == "good"]
    batch = upload(page, good, name="dial line")
    page.get_by_role("listbox").focus()
    for key in ("Control+a", "o"):
        page.keyboard.press(key)
    expect(page.locator(".card[data-label=ok]")).to_have_count(len(good))
    page.get_by_role("button", name="Calibrate from labels").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("label them as they come, not just doubtful or clear ones")
    dialog.get_by_label("False alarms").fill("1")
    expect(dialog).to_contain_text("at least 99 images labelled OK; you have 12")
    dialog.get_by_role("button", name="Calibrate").click()
    expect(dialog.get_by_role("alert")).to_contain_text("99")
    dialog.get_by_label("False alarms").fill("10")
    dialog.get_by_label("Review").fill("30")
    dialog.get_by_role("button", name="Calibrate").click()
    dialog.get_by_role("button", name="Use it for this batch").click()
    expect(page.locator("#source")).to_contain_text("Thresholds of station “dial line”")
    expect(page.locator(".histogram .mark")).to_have_count(2)
    (station,) = [one for one in api(page, "stations")["stations"] if one["name"] == "dial line"]
    decided = [item["decision"]["verdict"] for item in items(page, batch)]
    for verdict, number in counts(page).items():
        assert int(number) == decided.count(verdict)
    assert station["threshold"] == pytest.approx(threshold(page, "NG"), abs=5e-4)
    page.get_by_role("button", name="Stations").click()
    expect(page.get_by_role("dialog").get_by_role("row")).to_contain_text(["Station", "dial line"])


def test_exports_are_downloaded(open_page: Opener, batch: str) -> None:
    page = open_page(f"#/batch/{batch}")
    wait_scored(page)
    texts = {}
    for name in ("CSV", "Labels", "JSONL", "COCO", "HTML report"):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        texts[name] = Path(download.value.path()).read_text(encoding="utf-8")
    assert len(list(csv.reader(io.StringIO(texts["CSV"])))) == 25
    assert set(NEEDED) <= set(texts["Labels"].splitlines()[0].split(","))  # of `review apply`
    assert all(json.loads(line) for line in texts["JSONL"].splitlines())
    assert len(json.loads(texts["COCO"])["images"]) == 24
    assert texts["HTML report"].startswith("<!DOCTYPE html>")


def test_two_models_are_compared(open_page: Opener) -> None:
    page = open_page()
    batch = upload(page, example_files()[:8], name="two models")
    page.get_by_role("listbox").focus()
    for key in ("n", "ArrowRight", "o"):
        page.keyboard.press(key)
    expect(page.locator("#agreement table")).to_be_visible()
    page.get_by_role("button", name="Compare two models").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox", name="Model").select_option(label="grey")
    dialog.get_by_role("button", name="Score them").click()
    expect(page.locator("#crumb")).to_have_text("two models (grey)")
    wait_scored(page)
    expect(page.locator(".card[data-status=done]")).to_have_count(8)
    again = page.url.rsplit("/", 1)[-1]
    page.get_by_role("button", name="Compare two models").click()
    expect(dialog.get_by_role("combobox", name="Batch")).to_have_value(batch)  # the likely one
    dialog.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_role("heading", name="grey and tiny")).to_be_visible()
    expect(page.locator("#compare .dots-ng")).to_have_attribute("d", re.compile("^M"))
    expect(page.locator(".tiles")).to_contain_text("AUROC of tiny on your labels")
    second = {item["sha256"]: item["image_score"] for item in items(page, batch)}
    rows = [(item["image_score"], second[item["sha256"]]) for item in items(page, again)]
    cells = page.locator("#compare tbody tr").evaluate_all(
        "all => all.map(r => [+r.cells[1].textContent, +r.cells[2].textContent])"
    )
    assert np.array(sorted(cells)) == pytest.approx(np.array(sorted(rows)), abs=6e-4)
    page.get_by_role("link", name="Back to the batch").click()
    expect(page.get_by_role("listbox")).to_be_visible()


def test_images_listed_before_their_upload_was_answered_are_counted_once(
    browser: Browser, tmp_path: Path
) -> None:
    model = GreyModel()
    model.gate.clear()
    with (
        desk_at(tmp_path / "desk", served(model)) as address,
        opened(browser, address) as page,
    ):
        page.evaluate(script("slow_answers"))
        try:
            page.set_input_files("#files", example_files())
            expect(page.locator(".card")).to_have_count(24)
            assert page.evaluate("[...totals]") == [24]
        finally:
            model.gate.set()
        wait_scored(page)


@pytest.mark.parametrize("window", [{}, PHONE], ids=["desktop", "phone"])
def test_work_can_be_cancelled(browser: Browser, tmp_path: Path, window: dict[str, Any]) -> None:
    model = GreyModel()
    model.gate.clear()  # nothing is scored before the test says so
    with (
        desk_at(tmp_path / "desk", served(model)) as address,
        opened(browser, address, **window) as page,
    ):
        try:
            page.set_input_files("#files", example_files())
            expect(page.locator("#progress")).to_contain_text("0 of 24 images scored")
            expect(page.locator("#progress")).to_be_in_viewport(ratio=1)
            page.get_by_role("button", name="Cancel").click()
            expect(page.locator(".card[data-status=cancelled]")).not_to_have_count(0)
        finally:
            model.gate.set()
        expect(page.locator("#progress")).to_be_hidden()
        expect(page.get_by_role("status").first).to_contain_text("cancelled")
