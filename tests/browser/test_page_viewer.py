"""The viewer: true values, the colours of the library, zoom to pixels, regions, keys."""

import io
import re
import struct
from typing import Any
from zlib import compress, crc32

import numpy as np
import pytest
from numpy.typing import NDArray
from pages import Opener, opened, script, upload, wait_scored
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from faprompt.detection.rendering import STRONGEST, overlay

pytestmark = pytest.mark.browser

SIZE = (96, 64)
LIMITS = (0.4, 0.6)  # of the model whose map is the grey value


def ramp() -> NDArray[np.uint8]:
    """Grey values 60 to 100 from left to right, a bright square, one that is coloured in part."""
    values = np.tile(np.linspace(60, 100, SIZE[0]), (SIZE[1], 1))
    values[10:20, 12:24] = 250
    values[40:44, 70:80] = np.linspace(106, 150, 10)
    return values.astype(np.uint8)


@pytest.fixture(scope="module")
def ramps(browser: Browser, desk: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Id of a batch with the ramp and two plain images."""
    folder = tmp_path_factory.mktemp("ramps")
    Image.fromarray(ramp()).save(folder / "ramp.png")
    for name, value in (("plain.png", 90), ("dark.png", 30)):
        Image.new("L", SIZE, value).save(folder / name)
    with opened(browser, desk) as page:
        page.get_by_role("combobox", name="Model").select_option(label="grey")
        return upload(page, sorted(folder.iterdir()), name="ramps")


@pytest.fixture
def viewer(open_page: Opener, ramps: str) -> Page:
    """The ramp in the viewer, with its map and its outlines."""
    page = open_page(f"#/batch/{ramps}")
    wait_scored(page)
    page.locator(".card", has_text="ramp.png").click()
    expect(page.locator(".outline .line")).to_have_count(2)
    expect(page.locator(".readout")).to_have_text(re.compile(r"anomaly 0\.\d{4}"))
    return page


def at(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a point of the image lies in the window."""
    box = page.locator("#viewer .content > img").bounding_box()
    assert box
    return box["x"] + x * box["width"] / SIZE[0], box["y"] + y * box["height"] / SIZE[1]


@pytest.mark.parametrize(("x", "y"), [(0, 0), (15, 12), (50, 60), (95, 63)])
def test_the_value_under_the_pointer_is_that_of_the_map(viewer: Page, x: int, y: int) -> None:
    viewer.mouse.move(*at(viewer, x + 0.5, y + 0.5))
    expected = f"x {x}, y {y} · anomaly {ramp()[y, x] / 255:.4f}"
    expect(viewer.locator(".readout")).to_have_text(expected)


def test_without_a_pointer_the_value_in_the_middle_is_read(viewer: Page) -> None:
    viewer.mouse.move(5, 5)
    expected = f"Middle: x 48, y 32 · anomaly {ramp()[32, 48] / 255:.4f}"
    expect(viewer.locator(".readout")).to_have_text(expected)


def test_the_colours_are_those_of_the_library(viewer: Page) -> None:
    """The canvas, laid over the image with the slider's first opacity, is `rendering.overlay`."""
    data = viewer.locator("#viewer .content canvas").evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    painted = np.array(data, dtype=np.float32).reshape(SIZE[1], SIZE[0], 4)
    opacity = float(viewer.locator("#viewer .content canvas").evaluate("c => c.style.opacity"))
    assert opacity == STRONGEST
    grey = Image.fromarray(ramp()).convert("RGB")
    expected = np.asarray(
        overlay(grey, ramp().astype(np.float32) / np.float32(255), LIMITS), dtype=np.float32
    )
    share = opacity * painted[..., 3:] / 255
    blended = np.asarray(grey, dtype=np.float32) * (1 - share) + painted[..., :3] * share
    # A canvas keeps colours multiplied by their opacity in 8 bits: faint ones lose some.
    assert np.abs(blended - expected).max() < 3
    assert (painted[..., 3] == 0).any()
    assert (painted[..., 3] == 255).any()


def png16(values: NDArray[np.uint16], kind: int) -> bytes:
    """A 16-bit PNG whose rows all have one filter (W3C PNG, 9.2), written from its definition."""
    rows = values.astype(">u2").view(np.uint8).reshape(len(values), -1).astype(int)
    left = np.pad(rows, ((0, 0), (2, 0)))[:, :-2]
    up = np.pad(rows, ((1, 0), (0, 0)))[:-1]
    corner = np.pad(rows, ((1, 0), (2, 0)))[:-1, :-2]
    guess = left + up - corner
    near = np.argmin([abs(guess - one) for one in (left, up, corner)], axis=0)
    paeth = np.choose(near, [left, up, corner])
    filtered = (rows - [0 * rows, left, up, (left + up) // 2, paeth][kind]) % 256
    lines = np.pad(filtered, ((0, 0), (1, 0)), constant_values=kind).astype(np.uint8)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc32(name + data))

    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 0, 0, 0, 0)
    body = chunk(b"IDAT", compress(lines.tobytes()))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", range(5), ids=["none", "sub", "up", "average", "paeth"])
def test_sixteen_bits_are_read_from_every_filter(viewer: Page, kind: int) -> None:
    """The page's own PNG reader, on values that no 8 bits hold; Pillow reads the same file."""
    values = np.random.default_rng(kind).integers(0, 65536, (40, 57), dtype=np.uint16)
    data = png16(values, kind)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), values)
    width, height, decoded = viewer.evaluate(script("decode"), list(data))
    assert (width, height) == (57, 40)
    assert np.array_equal(np.array(decoded).reshape(40, 57), values)


def test_regions_are_listed_and_point_at_their_outlines(viewer: Page) -> None:
    rows = viewer.locator(".regions tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("120 px")  # 10 x 12, peak 250 / 255
    expect(rows.first).to_contain_text("0.980")
    expect(rows.nth(1)).to_contain_text("40 px")
    rows.nth(1).hover()
    expect(viewer.locator(".outline.marked")).to_have_count(1)
    expect(viewer.locator(".outline").nth(1)).to_have_class(re.compile("marked"))
    viewer.mouse.move(*at(viewer, 18, 15))
    expect(rows.first).to_have_class("marked")
    viewer.get_by_role("button", name="Show region 2").click()
    box = viewer.locator(".stage").bounding_box()
    x, y = at(viewer, 75, 42)
    assert box
    assert x == pytest.approx(box["x"] + box["width"] / 2, abs=2)
    assert y == pytest.approx(box["y"] + box["height"] / 2, abs=2)


def zoom(page: Page) -> int:
    return int(page.locator(".zoom-value").inner_text().removesuffix(" %"))


def test_zoom_by_keys_wheel_and_buttons_down_to_pixels(viewer: Page) -> None:
    fitted = zoom(viewer)
    viewer.keyboard.press("1")
    assert zoom(viewer) == 100
    for _ in range(20):
        viewer.keyboard.press("+")
    assert zoom(viewer) == 6400
    rendering = viewer.locator("#viewer .content > img").evaluate(
        "e => getComputedStyle(e).imageRendering"
    )
    assert rendering == "pixelated"
    viewer.keyboard.press("-")
    assert zoom(viewer) == 5120
    viewer.keyboard.press("0")
    assert zoom(viewer) == fitted
    where = at(viewer, 20, 20)
    viewer.mouse.move(*where)
    viewer.mouse.wheel(0, -300)
    expect(viewer.locator(".zoom-value")).not_to_have_text(f"{fitted} %")
    assert at(viewer, 20, 20) == pytest.approx(where, abs=1)  # the point under the pointer stays


def test_drag_and_keys_pan(viewer: Page) -> None:
    before = at(viewer, 40, 30)
    viewer.mouse.move(*before)
    viewer.mouse.down()
    viewer.mouse.move(before[0] + 70, before[1] - 40)
    viewer.mouse.up()
    assert at(viewer, 40, 30) == pytest.approx((before[0] + 70, before[1] - 40), abs=1)
    viewer.keyboard.press("Shift+ArrowRight")
    assert at(viewer, 40, 30)[0] == pytest.approx(before[0] + 10, abs=1)


def test_two_fingers_zoom(open_page: Opener, ramps: str) -> None:
    page = open_page(
        f"#/batch/{ramps}", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    wait_scored(page)
    page.locator(".card", has_text="ramp.png").tap()
    fitted = zoom(page)
    client = page.context.new_cdp_session(page)
    x, y = at(page, 48, 32)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": a, "y": b, "id": i} for i, (a, b) in enumerate(places)]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (x - 20, y), (x + 20, y))
    touch("touchMove", (x - 40, y), (x + 40, y))
    touch("touchEnd")
    assert zoom(page) == pytest.approx(2 * fitted, rel=0.05)


def test_opacity_wipe_and_switches(viewer: Page) -> None:
    canvas = viewer.locator("#viewer .content canvas")
    slider = viewer.get_by_role("slider", name="Opacity of the heat map")
    slider.press("Home")
    assert canvas.evaluate("c => c.style.opacity") == "0"
    slider.press("End")
    assert canvas.evaluate("c => c.style.opacity") == "1"
    viewer.locator(".stage").focus()
    viewer.keyboard.press("h")
    assert canvas.evaluate("c => c.style.opacity") == "0"
    viewer.keyboard.press("w")
    inset = canvas.evaluate("c => c.style.clipPath")
    assert float(re.findall(r"[\d.]+(?=%)", inset)[0]) == pytest.approx(50, abs=0.5)
    viewer.keyboard.press("r")
    expect(viewer.locator(".outlines")).to_be_hidden()


def test_arrows_labels_and_escape(viewer: Page) -> None:
    title = viewer.locator("#viewer-title")
    viewer.keyboard.press("ArrowRight")
    expect(title).to_have_text("plain.png")
    viewer.keyboard.press("n")
    expect(viewer.get_by_role("button", name="✕ NG")).to_have_attribute("aria-pressed", "true")
    viewer.get_by_label("Next image after a label").check()
    viewer.locator(".stage").focus()
    viewer.keyboard.press("o")
    expect(title).to_have_text("dark.png")
    viewer.keyboard.press("ArrowRight")  # the last one: it stays
    expect(title).to_have_text("dark.png")
    expect(viewer.locator("#said")).to_have_text("This is the last image.")
    viewer.keyboard.press("Escape")
    expect(viewer.locator("#viewer")).to_be_hidden()
    expect(viewer.get_by_role("listbox")).to_be_focused()
    expect(viewer.locator(".card.active")).to_contain_text("dark.png")
    expect(viewer.locator(".card[data-label=ok]")).to_contain_text("plain.png")


def test_figures_of_orders(viewer: Page) -> None:
    """AUROC and Spearman's correlation of the comparison against scikit-learn and scipy."""
    from scipy.stats import spearmanr
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 30, 80) / 30, rng.integers(0, 9, 80) / 9
    truth = rng.integers(0, 2, 80)
    found: list[Any] = viewer.evaluate(
        """async ([a, b, labels]) => {
            const { auroc, spearman } = await import(new URL('js/rank.js', document.baseURI));
            return [auroc(a, labels), spearman(a, b), auroc(a, labels.map(() => null))];
        }""",
        [a.tolist(), b.tolist(), ["ng" if t else "ok" for t in truth]],
    )
    assert found[0] == pytest.approx(roc_auc_score(truth, a))
    assert found[1] == pytest.approx(spearmanr(a, b).statistic)
    assert found[2] is None
