"""Writing files so that no half file ever stands under its final name."""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from faprompt.errors import OutputError

if TYPE_CHECKING:
    from torch import Tensor

_TEMPORARY = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}")
"""Names that :func:`replacing` makes, by way of :func:`tempfile.mkstemp`."""


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
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
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
    return sorted(path for path, match in found if match and match["name"] == name)


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


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


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
