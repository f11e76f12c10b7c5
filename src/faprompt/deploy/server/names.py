"""Ids that nobody can guess, and names that clients send and nobody trusts."""

import secrets
import unicodedata

ID_BYTES = 16
"""128 bits: not to be found by trying."""
LONGEST_NAME = 200
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories: control, format, surrogate, private, unassigned, line and paragraph ends."""


def new_id() -> str:
    """A new random id, 22 characters that are safe in addresses."""
    return secrets.token_urlsafe(ID_BYTES)


def id_of(sha256: str) -> str:
    """The id of what a desk is started with: as long as a random one, and always the same."""
    return sha256[:22]


def display_name(raw: str) -> str:
    r"""A client's file name as it is shown: never a path to anything.

    Control, format and private characters go, as do drive letters and the parts ``..`` and ``.``;
    what remains is shown, exported as text, and never opened.

    Example:
        >>> display_name("../../etc/pass\x00wd"), display_name("C:\\line 1\\a.png")
        ('etc/passwd', 'line 1/a.png')
        >>> display_name("..")
        'unnamed'
    """
    text = unicodedata.normalize("NFC", raw.replace("\\", "/"))
    visible = "".join(c for c in text if unicodedata.category(c) not in INVISIBLE)
    visible = " ".join(visible.split())  # spaces of all widths are one
    parts = [part.strip() for part in visible.split("/")]
    kept = [p for p in parts if p not in {"", ".", ".."} and not (len(p) == 2 and p[1] == ":")]
    name = "/".join(kept)
    return name[-LONGEST_NAME:].lstrip("/") or "unnamed"


def download_name(name: str, ending: str) -> str:
    """A plain ASCII file name for a download.

    Example:
        >>> download_name('tiles "A"; ß', ".csv")
        'tiles-A.csv'
    """
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in name).split()
    return ("-".join(words)[:60] or "desk") + ending
