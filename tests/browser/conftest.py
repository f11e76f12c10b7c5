"""One desk and one browser for all tests of the page."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from desks import GreyModel, served
from pages import PATIENCE, Opener, chromium, desk_at, example_files, opened, upload
from playwright.sync_api import Browser, Page, expect, sync_playwright

from faprompt.deploy.server.models import load_model


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        # The sandbox needs rights that containers do not have; only our own page is loaded.
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a desk with the embedded model, and with one whose map is the grey value."""
    models = load_model("tiny", precision="fp32"), served(GreyModel())
    with desk_at(tmp_path_factory.mktemp("desk"), *models) as address:
        yield address


@pytest.fixture
def open_page(browser: Browser, desk: str) -> Iterator[Opener]:
    with ExitStack() as pages:

        def opener(fragment: str = "", **options: Any) -> Page:
            return pages.enter_context(opened(browser, desk + fragment, **options))

        yield opener


@pytest.fixture(scope="session")
def station(browser: Browser, desk: str) -> str:
    """Id of a station made from the good examples."""
    with opened(browser, desk) as page:
        good = [path for path in example_files() if path.parent.name == "good"]
        batch = upload(page, good, name="good ones")
        address = f"{desk}api/v1"
        items = page.request.get(f"{address}/batches/{batch}/items").json()["items"]
        labels = {"items": [item["id"] for item in items], "label": "ok"}
        assert page.request.put(f"{address}/batches/{batch}/labels", data=labels).ok
        wanted = {"name": "a station", "batch": batch, "false_alarms": 0.1}
        made = page.request.post(f"{address}/stations", data=wanted)
        assert made.ok, made.text()
        return str(made.json()["id"])


@pytest.fixture(scope="session")
def batch(browser: Browser, desk: str) -> str:
    """Id of a batch with the example images, for tests that only look."""
    with opened(browser, desk) as page:
        return upload(page, example_files(), name="examples")
