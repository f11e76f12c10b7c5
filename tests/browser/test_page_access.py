"""For everybody: names, contrast, keys alone, a phone's width, dark and light."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from pages import PHONE, Opener, example_files, script, slide, upload, wait_scored
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("station")]

CONTROLS = {
    "button", "link", "textbox", "combobox", "slider", "spinbutton", "checkbox", "option",
    "listbox", "searchbox", "dialog", "progressbar", "image", "img", "toolbar", "region",
    "navigation",
}  # fmt: skip
SMALL = PHONE | {"viewport": {"width": 360, "height": 700}}


def start(_: Page) -> None:
    """The first view, as it is."""


def work(page: Page) -> None:
    wait_scored(page)
    closed = page.locator("#instruments details:not([open]) summary")
    while closed.count():
        closed.first.click()
    page.get_by_role("slider", name="NG from").press("ArrowLeft")
    slide(page, "UNSURE from", 0.5)
    page.get_by_role("button", name="Select", exact=True).click()
    page.locator(".card").first.click()


def viewer(page: Page) -> None:
    wait_scored(page)
    page.locator(".card").first.click()
    page.locator("#viewer summary", has_text="Facts").click()


def calibration(page: Page) -> None:
    work(page)
    page.get_by_role("button", name="Calibrate from labels").click()


def stations(page: Page) -> None:
    page.get_by_role("button", name="Stations").click()


def comparing(page: Page) -> None:
    work(page)
    page.get_by_role("button", name="Compare two models").click()


def help_(page: Page) -> None:
    page.get_by_role("button", name="Help and keys").click()


VIEWS: list[tuple[bool, Callable[[Page], None]]] = [
    (False, start), (True, work), (True, viewer), (True, calibration), (False, stations),
    (True, comparing), (False, help_),
]  # fmt: skip
EACH_VIEW = pytest.mark.parametrize(
    ("in_batch", "reach"), VIEWS, ids=[reach.__name__ for _, reach in VIEWS]
)


def reached(
    open_page: Opener, batch: str, view: tuple[bool, Callable[[Page], None]], **options: Any
) -> Page:
    in_batch, reach = view
    page = open_page(f"#/batch/{batch}" if in_batch else "", **options)
    reach(page)
    page.wait_for_timeout(150)
    return page


def nodes(page: Page) -> list[dict[str, Any]]:
    """What a screen reader gets: role, name and state of everything that is not hidden."""
    client = page.context.new_cdp_session(page)
    tree = client.send("Accessibility.getFullAXTree")["nodes"]
    return [node for node in tree if not node.get("ignored")]


def value(node: dict[str, Any], key: str) -> str:
    return str(node.get(key, {}).get("value", ""))


@EACH_VIEW
def test_every_control_has_a_name(
    open_page: Opener, batch: str, in_batch: bool, reach: Callable[[Page], None]
) -> None:
    found = nodes(reached(open_page, batch, (in_batch, reach)))
    controls = [node for node in found if value(node, "role") in CONTROLS]
    assert len(controls) >= 3
    nameless = [node for node in controls if not value(node, "name").strip()]
    assert not [value(node, "role") for node in nameless]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@EACH_VIEW
def test_texts_stand_out_from_their_ground(
    open_page: Opener, batch: str, in_batch: bool, reach: Callable[[Page], None], scheme: str
) -> None:
    page = reached(open_page, batch, (in_batch, reach), color_scheme=scheme)
    result = page.evaluate(script("contrast"))
    assert result["texts"] >= 5
    assert not result["found"]


@pytest.mark.parametrize("phone", [PHONE, SMALL], ids=["390", "360"])
@EACH_VIEW
def test_nothing_is_wider_than_a_phone(
    open_page: Opener,
    batch: str,
    in_batch: bool,
    reach: Callable[[Page], None],
    phone: dict[str, Any],
) -> None:
    page = reached(open_page, batch, (in_batch, reach), **phone)
    assert not page.evaluate(script("too_wide"))
    assert not page.evaluate(script("too_small"))


@pytest.mark.parametrize(("options", "first"), [({}, ".key-lists"), (SMALL, ".notes")])
def test_help_begins_with_keys_only_where_there_are_some(
    open_page: Opener, options: dict[str, Any], first: str
) -> None:
    page = open_page(**options)
    help_(page)
    top = "(part) => part.getBoundingClientRect().top"
    parts = ".key-lists", ".notes"
    assert first == min(parts, key=lambda name: page.locator(f"#help {name}").evaluate(top))


def test_images_are_in_sight_on_a_phone(open_page: Opener, batch: str) -> None:
    """What they are decided by folds away, and opens at a touch."""
    page = open_page(f"#/batch/{batch}", **PHONE)
    wait_scored(page)
    expect(page.locator(".card").first).to_be_in_viewport(ratio=0.9)
    slider = page.get_by_role("slider", name="NG from")
    expect(slider).to_be_hidden()
    page.locator("summary", has_text="Thresholds").tap()
    expect(slider).to_be_in_viewport()


def test_landmarks_headings_and_states(open_page: Opener, batch: str) -> None:
    page = open_page(f"#/batch/{batch}")
    wait_scored(page)
    found = nodes(page)
    roles = [value(node, "role") for node in found]
    for role in ("banner", "main", "navigation", "listbox", "status", "log"):
        assert roles.count(role) >= 1, role
    assert sum(role == "main" for role in roles) == 1
    box = page.get_by_role("listbox")
    box.focus()
    active = page.locator(f"#{box.get_attribute('aria-activedescendant')}")
    expect(active).to_have_attribute("aria-posinset", "1")
    expect(active).to_have_attribute("aria-setsize", "24")
    assert re.search(r", score (0\.\d{3,6}|1\.000)(,|$)", active.get_attribute("aria-label") or "")


def test_the_whole_inspection_by_keyboard(open_page: Opener) -> None:
    """Tab, arrows, letters, Enter and Escape; where the focus is can be seen at every stop."""
    upload(open_page(), example_files()[:3], name="keys only")
    page = open_page()
    expect(page.get_by_role("link", name="keys only")).to_be_visible()

    def tab_to(test: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            state = page.evaluate(script("focus"), test)
            assert state[1], f"focus cannot be seen: {state[2]}"
            if state[0]:
                return
        raise AssertionError(f"Tab does not reach {test}")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the images")).to_be_focused()
    tab_to("#pick-files")
    tab_to(".batches a[href]")
    page.keyboard.press("Enter")
    wait_scored(page)
    tab_to("#ng-range")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".counter[data-verdict=OK] .number")).not_to_have_text("\N{EN DASH}")
    tab_to("#grid")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("n")
    expect(page.locator(".card.active")).to_have_attribute("data-label", "ng")
    page.keyboard.press("Enter")
    expect(page.locator(".stage")).to_be_focused()
    tab_to("#viewer input[type=range]")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#viewer")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Help and keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+Tab")
    tab_to("#grid")


def background(page: Page) -> list[int]:
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return [int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]


def test_dark_and_light_follow_the_system_until_chosen(open_page: Opener) -> None:
    assert max(background(open_page("", color_scheme="dark"))) < 60
    page = open_page("", color_scheme="light")
    assert min(background(page)) > 200
    button = page.locator("#theme")
    button.click()
    button.click()
    expect(button).to_have_attribute("aria-label", "Colours: dark")
    assert max(background(page)) < 60
    page.reload()
    assert max(background(page)) < 60


def test_nothing_moves_where_motion_is_unwanted(open_page: Opener, batch: str) -> None:
    page = open_page(f"#/batch/{batch}", reduced_motion="reduce")
    viewer(page)
    assert page.evaluate(script("moving")) == 0


def test_work_is_announced(open_page: Opener) -> None:
    page = open_page()
    upload(page, example_files()[:3], name="announced")
    expect(page.locator("#said[role=status]")).to_have_text("Finished: 3 images scored")
    slider = page.get_by_role("slider", name="NG from")
    slider.press("Home")
    expect(page.locator("#said")).to_have_text("3 NG, 0 unsure, 0 OK")
    assert slider.get_attribute("aria-valuetext") != "not set"
