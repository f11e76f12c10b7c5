"""Make the pictures of docs/tutorial.md: a browser walks through an inspection on the real page.

Run: python examples/tutorial_pictures.py docs/images/desk [FOLDER]

Without FOLDER it renders denim, good and with defects: a kind that the embedded model has not seen.
FOLDER holds images of your own, those of good parts in a folder named good. Needs Chromium
(CHROMIUM, or on the PATH) and faprompt[dev]; nothing is left behind but the pictures.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from PIL import Image
from playwright.sync_api import Locator, Page, expect, sync_playwright

from faprompt.pretrain.renderer import Renderer

GOOD, DAMAGED = 60, 24
KIND, DEFECTS = "denim", ("hole", "stain", "scratch", "contamination", "fibre")
SIDE = 384
QUALITY = 85


def render(folder: Path) -> None:
    """Draw denim: good pieces first, then every kind of defect in turn."""
    torch.set_num_threads(1)  # its steps are small: threads that share each only wait
    renderer = Renderer("example")
    for index in range(GOOD + DAMAGED):
        defect = DEFECTS[index % len(DEFECTS)]
        drawn = renderer.render_kind(4000 + index, 1, SIDE, scene=KIND, defect=defect)
        good = index < GOOD
        picture = (drawn.clean if good else drawn.damaged)[0]
        path = folder / ("good" if good else defect) / f"{index:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((picture * 255).to(torch.uint8).permute(1, 2, 0).numpy()).save(path)


@contextmanager
def served(desk: Path) -> Iterator[str]:
    """A running desk; its address."""
    faprompt = str(Path(sys.executable).with_name("faprompt"))
    command = [faprompt, "serve", "--port", "0", "--desk", str(desk)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield re.findall(r"http://\S+", process.stdout.readline())[0]
        finally:
            process.terminate()


def middle(thing: Locator) -> tuple[float, float]:
    """Where on the page its middle is, in pixels."""
    box = thing.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


class Walk:
    """One page and the folder for its pictures."""

    def __init__(self, page: Page, out: Path) -> None:
        self.page, self.out = page, out

    def picture(self, name: str) -> None:
        """Take a picture once everything in sight is there."""
        self.page.mouse.move(1, 1)
        self.page.wait_for_timeout(400)
        while not self.page.evaluate("[...document.images].every((one) => one.complete)"):
            self.page.wait_for_timeout(50)
        path = self.out / f"{name}.jpg"
        self.page.screenshot(path=path, type="jpeg", quality=QUALITY)

    def first_look(self, images: Path) -> None:
        """Drop the folder, wait, look at the scores."""
        page = self.page
        expect(page.locator("#new-model option")).not_to_have_count(0)
        self.picture("start")
        page.set_input_files("#folder", images)
        expect(page.locator(".card[data-status=done]")).not_to_have_count(0)
        self.picture("running")
        expect(page.locator("#progress")).to_be_hidden(timeout=600_000)
        page.get_by_role("button", name="Heat maps").click()
        self.picture("grid")

    def one_image(self) -> None:
        """The most suspicious image in the viewer, the wipe drawn to its first region."""
        page = self.page
        page.locator(".card[aria-posinset='1']").click()
        expect(page.locator(".readout")).to_contain_text("anomaly 0.")
        page.keyboard.press("w")
        region, grip = page.locator(".outlines g").first, page.locator(".divider span")
        grip.hover()
        page.mouse.down()
        page.mouse.move(*middle(region))
        page.mouse.up()
        self.picture("viewer")
        page.keyboard.press("Escape")

    def labels(self) -> None:
        """Label by the folders' names, as a person would by looking."""
        page = self.page
        items = page.request.get(f"{self.api}/items?limit=500").json()["items"]
        for item in items:
            good = "/good/" in f"/{item['name']}"
            page.request.put(
                f"{self.root}/items/{item['id']}/label", data={"label": "ok" if good else "ng"}
            )
        page.reload()
        expect(page.locator("#agreement table")).to_be_visible()

    def calibrate(self) -> None:
        """A station from the labels, used for the batch."""
        page = self.page
        page.get_by_role("button", name="Calibrate from labels").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name of the station").fill("Denim, loom 2")
        dialog.get_by_label("False alarms").fill("5")
        dialog.get_by_label("Review").fill("20")
        self.picture("calibrate")
        dialog.get_by_role("button", name="Calibrate").click()
        dialog.get_by_role("button", name="Use it for this batch").click()
        expect(page.locator("#source")).to_contain_text("Thresholds of station")
        self.picture("station")

    @property
    def root(self) -> str:
        """Address of the API."""
        return self.page.url.split("#")[0] + "api/v1"

    @property
    def api(self) -> str:
        """Address of the open batch in the API."""
        return f"{self.root}/batches/{self.page.url.rsplit('/', 1)[-1]}"


def main(out: Path, images: Path | None) -> None:
    """Walk through the inspection and write the pictures."""
    out.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or "chromium"
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder) / "desk") as address,
        sync_playwright() as playwright,
    ):
        if images is None:
            images = Path(folder) / KIND
            render(images)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800}, locale="en-GB")
        page.goto(address)
        walk = Walk(page, out)
        walk.first_look(images)
        walk.one_image()
        walk.labels()
        walk.calibrate()
        phone = browser.new_page(
            viewport={"width": 390, "height": 844},
            is_mobile=True,
            has_touch=True,
            color_scheme="dark",
        )
        phone.goto(page.url)
        expect(phone.locator(".card[data-status=done]")).not_to_have_count(0)
        Walk(phone, out).picture("phone")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
