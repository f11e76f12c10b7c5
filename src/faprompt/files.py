"""Writing files so that no half file ever stands under its final name."""

import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faprompt.errors import OutputError

if TYPE_CHECKING:
    from torch import Tensor

_TEMPORARY = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}")
"""Names that :func:`replacing` makes, by way of :func:`tempfile.mkstemp`."""


MOST_DIGITS = 308
"""Of a whole number in JSON: the largest float has one more."""
_LONGEST_NAME = 255 - len("..12345678")
"""Bytes of a name that still fits into a temporary one."""


def _short(name: str) -> str:
    """What a temporary name holds of a file's name."""
    if len(os.fsencode(name)) <= _LONGEST_NAME:
        return name
    return hashlib.sha256(os.fsencode(name)).hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place when the block succeeds.

    The content is on the disk before the name changes; a block that fails leaves what was there.

    Raises:
        OutputError: the folder cannot be made or written to, or the disk is full.

    Example:
        >>> folder = Path(tempfile.mkdtemp())
        >>> with replacing(folder / "a.txt") as temporary:
        ...     _ = temporary.write_text("whole")
        >>> (folder / "a.txt").read_text()
        'whole'
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{_short(path.name)}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{path}: cannot be written ({reason}); choose another place") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def unfinished(folder: Path, name: str) -> list[Path]:
    """Temporary files that a killed process left beside ``folder / name``.

    Those of a process that is still writing look the same.
    """
    found = ((path, _TEMPORARY.fullmatch(path.name)) for path in folder.glob(".*"))
    return sorted(path for path, match in found if match and match["name"] == _short(name))


def sweep(folder: Path, *, older_than: float = 0.0, below: bool = True) -> None:
    """Remove the temporary files that killed processes left in a folder and all below it.

    Args:
        folder: With files of our own alone; it need not exist.
        older_than: Seconds; younger ones may be of a process that is still writing.
        below: Whether to look below it, too.
    """
    latest = time.time() - older_than
    for path in folder.rglob(".*") if below else folder.glob(".*"):
        if _TEMPORARY.fullmatch(path.name):
            with suppress(OSError):  # another sweeper was quicker
                if path.stat().st_mtime <= latest:
                    path.unlink()


def refuse_foreign(folder: Path, record: str, *, kind: str) -> None:
    """Refuse a folder that is not empty and has no record of a run.

    A run killed at its very first file left nothing but an unfinished record: that is no stranger.

    Args:
        folder: It need not exist.
        record: Name of the file that says what was asked for.
        kind: What the folder should be, for the error.

    Raises:
        OutputError: the folder holds other things.
    """
    if (folder / record).exists() or not folder.is_dir():
        return
    if set(folder.iterdir()) - set(unfinished(folder, record)):
        raise OutputError(f"{folder}: not empty and not {kind}; choose another --out")


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are missing.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{folder}: cannot be made ({reason}); choose another place") from None


def expanded(path: str | Path) -> Path:
    """Put the user's home in place of ``~``; the ``~`` of nobody known stays what it is."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 (its own way raises)


def parse_json(text: str | bytes) -> Any:
    """Read JSON, as :func:`json.loads`.

    Raises:
        ValueError: it is not JSON, nested too deeply to be read, or has a whole number that no
            float can hold: whoever computes with it would fail in a place of its own.
    """
    try:
        return json.loads(text, parse_int=_whole)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all.

    What UTF-8 cannot hold (bytes of a file name in another encoding) is escaped as JSON does it.

    Raises:
        OutputError: the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Add a record to a file of JSON lines, after whatever a killed process left of one.

    A line cut short by a full disk or a kill ends without a line end and is passed over by
    readers; the next record begins a line of its own.

    Raises:
        OutputError: the file cannot be written.
    """
    line = json.dumps(record).encode() + b"\n"
    try:
        with path.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else b"\n" + line
            file.write(line)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def write_tensors(
    path: Path, tensors: "Mapping[str, Tensor]", *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file, whole or not at all.

    Its own writer would leave temporary files of another name when killed.

    Args:
        path: To write.
        tensors: Any device; saved in the precision they have.
        metadata: Texts for the file's header.

    Raises:
        OutputError: the file cannot be written.
    """
    from safetensors.torch import save

    content = save(
        {n: t.detach().cpu().contiguous() for n, t in tensors.items()}, dict(metadata or {})
    )
    with replacing(path) as temporary:
        temporary.write_bytes(content)
