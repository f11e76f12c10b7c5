"""A folder of results that is there whole, or not at all."""

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from faprompt.errors import OutputError
from faprompt.files import refuse_foreign


@contextmanager
def replacing_folder(
    folder: Path, *, record: str, names: Collection[str], kind: str
) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``folder`` when the block succeeds.

    Args:
        folder: It need not exist. An earlier result there is replaced.
        record: The file that an earlier result has in any case.
        names: All files that a result may have; a folder with others is refused, not removed.
        kind: What the folder should be, for errors.

    Raises:
        OutputError: the folder cannot be written, or holds other things.
    """
    refuse_foreign(folder, record, kind=kind)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; choose another --out")
    others = (
        sorted(p.name for p in folder.iterdir() if p.name not in names) if folder.is_dir() else []
    )
    if others:
        raise OutputError(f"{folder}: holds {others[0]!r} beside {kind}; choose another --out")
    temporary = _beside(folder)
    try:
        yield temporary
        _put(temporary, folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{folder}: cannot be written ({reason}); choose another --out"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _beside(folder: Path) -> Path:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{folder}: cannot be written ({reason}); choose another --out"
        ) from error


def _put(temporary: Path, folder: Path) -> None:
    """Rename: readers see the old folder or the new one."""
    for path in temporary.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        path.chmod(0o644)
    temporary.chmod(0o755)
    if not folder.exists():
        temporary.rename(folder)
        return
    old = _beside(folder)
    folder.rename(old)  # onto an empty folder
    try:
        temporary.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _unwritable(folder: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(f"{folder}: cannot be written ({reason}); choose another --out")
