"""A folder as strangers leave it: good pictures among everything else that a disk can hold."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

ODD_NAMES = (
    "plain.png",
    "new\nline.png",
    "\x1b[2Jclear.png",
    "\u202egnp.txt.png",
    "line\u2028separator.png",
    'tab\tand, "quotes".png',
    "=cmd().png",
    "[red]markup.png",
    "-" * 200 + ".png",
    os.fsdecode(b"not utf-8 \xff\xfe.png"),
)
"""File names that hold pictures."""
LONG_NAME = "x" * 251 + ".png"
"""As long as a name can be: what is written beside or after it has to be shorter."""


def nasty_folder(root: Path) -> tuple[list[Path], dict[Path, str]]:
    """Fill a folder.

    Returns:
        Files that are pictures; and files that are none, with what should be said of them.
    """
    root.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    picture = root / ODD_NAMES[0]
    Image.fromarray(pixels).save(picture)
    good = [root / name for name in (*ODD_NAMES, LONG_NAME)]
    for path in good[1:]:
        shutil.copy(picture, path)
    (root / "folder[.png").mkdir()
    good.append(root / "folder[.png" / "a].png")
    shutil.copy(picture, good[-1])
    (root / "circle").symlink_to(root)
    (root / "folder[.png" / "up").symlink_to("..")
    return good, _bad(root)


def _bad(root: Path) -> dict[Path, str]:
    (root / "zero\n.png").touch()
    (root / "text.png").write_text("hello")
    (root / "cut.png").write_bytes((root / ODD_NAMES[0]).read_bytes()[:300])
    (root / "loop.png").symlink_to("loop.png")
    (root / "gone.png").symlink_to("nowhere")
    os.mkfifo(root / "pipe.png")
    (root / os.fsdecode(b"\xff.png")).write_bytes(b"\x89PNG")
    return {
        root / "zero\n.png": "is empty (0 bytes)",
        root / "text.png": "not an image that can be read",
        root / "cut.png": "damaged or cut off",
        root / "loop.png": "cannot be read (Too many levels of symbolic links)",
        root / "gone.png": "a link to a file that is not there",
        root / "pipe.png": "is a pipe, socket or device",
        root / os.fsdecode(b"\xff.png"): "not an image that can be read",
    }


@contextmanager
def unprivileged() -> Iterator[None]:
    """Lay the rights of root down, to whom no file is closed."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)
