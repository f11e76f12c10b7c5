"""A folder of results that is there whole, or not at all."""

import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from faprompt.errors import OutputError
from faprompt.files import refuse_foreign

NEW, OLD = "new", "old"
"""What a folder beside the result is: on its way there, or put aside for the moment of renaming."""


@contextmanager
def replacing_folder(
    folder: Path, *, record: str, names: Collection[str], kind: str
) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``folder`` when the block succeeds.

    What a process that was killed left beside it is put back or removed first.

    Args:
        folder: It need not exist. An earlier result there is replaced.
        record: The file that an earlier result has in any case.
        names: All files that a result may have; a folder with others is refused, not removed.
        kind: What the folder should be, for errors.

    Raises:
        OutputError: the folder cannot be written, or holds other things.
    """
    with _told(folder):
        _recover(folder)
        refuse_foreign(folder, record, kind=kind)
        _refuse_others(folder, names, kind)
        temporary = _beside(folder, NEW)
    with _held(temporary), _told(folder):
        try:
            yield temporary
            _put(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{folder}: cannot be written ({reason}); choose another --out"
        ) from error


def _refuse_others(folder: Path, names: Collection[str], kind: str) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; choose another --out")
    others = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    if strange := [name for name in others if name not in names]:
        raise OutputError(f"{folder}: holds {strange[0]!r} beside {kind}; choose another --out")


def _beside(folder: Path, what: str) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f".{folder.name}.{what}.", dir=folder.parent))


def _recover(folder: Path) -> None:
    """Put back what was aside when a process was killed; remove what others left half done."""
    pattern = re.compile(rf"\.{re.escape(folder.name)}\.(?P<what>{NEW}|{OLD})\.[a-z0-9_]{{8}}")
    for path in sorted(folder.parent.iterdir()) if folder.parent.is_dir() else []:
        match = pattern.fullmatch(path.name)
        if match is None:
            continue
        if match["what"] == OLD and not folder.exists() and any(path.iterdir()):
            path.rename(folder)
        else:
            with _held(path) as abandoned:
                if abandoned:
                    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Hold a folder; yields whether nobody else does."""
    handle = _lock(folder)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def _lock(folder: Path) -> int | None:
    """Lock a folder until the handle is closed or the process ends; None: somebody else has it."""
    try:
        import fcntl
    except ImportError:  # a system without such locks: nothing counts as left
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


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
    old = _beside(folder, OLD)
    folder.rename(old)  # onto an empty folder; killed here, the next start puts it back
    try:
        temporary.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
