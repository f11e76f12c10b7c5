"""Tests of the desk's page: a desk on a free port, a real Chromium, pages that stay clean."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from patience import until
from playwright.sync_api import Browser, Page, expect

from faprompt.deploy.server.app import create_app
from faprompt.deploy.server.desk import Desk
from faprompt.deploy.server.limits import Limits
from faprompt.deploy.server.models import ServedModel
from faprompt.detection.score_axis import log_odds

EXAMPLES = Path(str(files("faprompt").joinpath("assets", "examples")))
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SCRIPTS = Path(__file__).parents[1] / "browser" / "scripts"
PATIENCE = 60_000
"""Milliseconds after which something that must come on the page is taken as lost."""
WINDOW = {"width": 1280, "height": 800}

Opener = Callable[..., Page]
"""Opens pages of the session's desk: ``open_page("#/batch/ID", color_scheme="dark")``."""


@contextmanager
def desk_at(
    root: Path, *models: ServedModel, key: str | None = None, waiting: int = 1000
) -> Iterator[str]:
    """The address of a running desk, with a slash at the end."""
    app = create_app(Desk(root, list(models), limits=Limits(waiting=waiting)), key=key)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started, "a running server")
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.should_exit = True
        thread.join()


def chromium() -> str:
    """Where Chromium is: $CHROMIUM, or on the PATH; without one tests fail, they do not skip."""
    named = os.environ.get("CHROMIUM")
    found = named or next(filter(None, map(shutil.which, NAMES)), None)
    if not found or not Path(found).exists():
        pytest.fail(
            f"no Chromium ({named or ', '.join(NAMES)}): the page's tests need one; "
            "install it (apt-get install chromium) or name it in CHROMIUM",
            pytrace=False,
        )
    return found


@contextmanager
def opened(browser: Browser, address: str, **options: Any) -> Iterator[Page]:
    """A page in a context of its own; faults of scripts and requests elsewhere fail the test."""
    context = browser.new_context(**{"viewport": WINDOW, "locale": "en-GB", **options})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    faults: list[str] = []
    hosts: set[str] = set()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.extend(_refusals(said.text)))
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.goto(address)
    view = page.locator("#start:not([hidden]), #work:not([hidden]), #login[open]")
    expect(view.first).to_be_visible()
    yield page
    context.close()
    assert not faults
    assert hosts <= {urlsplit(address).netloc, ""}  # blob: and data: have no host


def _refusals(text: str) -> list[str]:
    """What the page's own policy kept it from doing."""
    return [text] if "Content Security Policy" in text else []


def script(name: str) -> str:
    """A function for ``evaluate``, from ``tests/browser/scripts``."""
    return (SCRIPTS / f"{name}.js").read_text(encoding="utf-8")


PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
}


def slide(page: Page, name: str, score: float) -> None:
    """Move the slider of a threshold, whose steps are even in log-odds, to a score."""
    page.get_by_role("slider", name=name).evaluate(script("slide"), log_odds(score))


def upload(page: Page, paths: list[Path], *, name: str = "") -> str:
    """Choose files in the start view, wait until all are scored; gives the batch's id."""
    page.get_by_role("textbox", name="Name").fill(name)
    page.set_input_files("#files", paths)
    expect(page.locator("#work")).to_be_visible()
    wait_scored(page)
    return page.url.rsplit("/", 1)[-1]


def wait_scored(page: Page) -> None:
    """Until some images are scored and no more are waited for."""
    expect(page.locator(".card[data-status=done]").first).to_be_visible()
    expect(page.locator("#progress")).to_be_hidden()


def example_files() -> list[Path]:
    """The shipped example images: 12 without and 12 with a defect."""
    return sorted(path for path in EXAMPLES.glob("*/test/*/*.jpg"))
