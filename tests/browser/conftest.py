"""A desk on a free port, a real Chromium, and pages that must stay clean."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn
from desks import PATIENCE, GreyModel, served
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from faprompt.deploy.server.app import create_app
from faprompt.deploy.server.desk import Desk
from faprompt.deploy.server.limits import Limits
from faprompt.deploy.server.models import ServedModel, load_model

EXAMPLES = Path(str(files("faprompt").joinpath("assets", "examples")))
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
expect.set_options(timeout=15_000)


@contextmanager
def desk_at(root: Path, *models: ServedModel, key: str | None = None, waiting: int = 1000) -> Iterator[str]:
    """The address of a running desk, with a slash at the end."""
    app = create_app(Desk(root, list(models), limits=Limits(waiting=waiting)), key=key)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        pause = threading.Event()
        for _ in range(int(PATIENCE / 0.02)):
            if server.started:
                break
            pause.wait(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.should_exit = True
        thread.join()


def chromium() -> str:
    """Where Chromium is: $CHROMIUM, or on the PATH."""
    named = os.environ.get("CHROMIUM")
    found = named or next(filter(None, map(shutil.which, NAMES)), None)
    if not found or not Path(found).exists():
        pytest.fail(
            f"no Chromium ({named or ', '.join(NAMES)}): the page's tests need one; "
            "install it (apt-get install chromium) or name it in CHROMIUM",
            pytrace=False,
        )
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # The sandbox needs rights that containers do not have; only our own page is loaded.
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The embedded model, and one whose map is the grey value."""
    models = load_model("tiny", precision="fp32"), served(GreyModel())
    with desk_at(tmp_path_factory.mktemp("desk"), *models) as address:
        yield address


@contextmanager
def opened(browser: Browser, address: str, **options: object) -> Iterator[Page]:
    """A page in a context of its own; errors of scripts and requests elsewhere fail the test."""
    context: BrowserContext = browser.new_context(
        **{"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", **options}  # type: ignore[arg-type]
    )
    page = context.new_page()
    faults: list[str] = []
    hosts: set[str] = set()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.goto(address)
    expect(page.locator("#start:not([hidden]), #work:not([hidden]), #login[open]").first).to_be_visible()
    yield page
    context.close()
    assert not faults
    assert hosts <= {urlsplit(address).netloc, ""}  # blob: and data: have no host


Opener = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, desk: str) -> Iterator[Opener]:
    """Opens pages of the desk: ``open_page("#/batch/ID", color_scheme="dark")``."""
    contexts = []

    def opener(fragment: str = "", **options: object) -> Page:
        context = opened(browser, desk + fragment, **options)
        contexts.append(context)
        return context.__enter__()

    yield opener
    for context in contexts:
        context.__exit__(None, None, None)


def upload(page: Page, paths: list[Path], *, name: str = "") -> str:
    """Drop files into the start view, wait until all are scored; gives the batch's id."""
    page.get_by_role("textbox", name="Name").fill(name)
    page.set_input_files("#files", paths)
    expect(page.locator("#work")).to_be_visible()
    wait_scored(page)
    return page.url.rsplit("/", 1)[-1]


def wait_scored(page: Page) -> None:
    """Until nothing waits any more: the bar has been there, and has gone."""
    expect(page.locator(".card[data-status=done]").first).to_be_visible()
    expect(page.locator("#progress")).to_be_hidden()


def example_files() -> list[Path]:
    """The shipped example images: 12 without and 12 with a defect."""
    return sorted(path for path in EXAMPLES.glob("*/test/*/*.jpg"))


@pytest.fixture(scope="session")
def batch(browser: Browser, desk: str) -> str:
    """Id of a batch with the example images, for tests that look only."""
    with opened(browser, desk) as page:
        return upload(page, example_files(), name="examples")
