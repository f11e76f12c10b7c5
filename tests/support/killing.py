"""Commands that end by SIGKILL: when some of their files are there, or before a chosen operation.

The second way knows every place where a half-done state can be left: Python reports ("audits") each
opening, renaming, removing and making of a file before it happens. Children come from a server
process that has imported everything once, so that each starts at once.
"""

import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from patience import PATIENCE, until

PROGRAM = (sys.executable, "-c", "from faprompt.cli.main import main; main()")
HEAVY = ("torch", "cv2", "faprompt.cli.predict", "faprompt.training.run", "faprompt.deploy.export")
COUNTED = -1
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "shutil.rmtree"}


def whole(*args: object, codes: Sequence[int] = (0,)) -> None:
    """Run a command to its end."""
    ended = subprocess.run(
        [*PROGRAM, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=_environment(),
    )
    assert ended.returncode in codes, ended.stderr


def killed_when(
    begun: Callable[[], bool], *args: object, wait: float, codes: Sequence[int] = (0,)
) -> bool:
    """Start a command and kill it some seconds after ``begun`` is true; False if it had ended."""
    process = subprocess.Popen(
        [*PROGRAM, *map(str, args)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_environment(),
    )
    until(lambda: begun() or process.poll() is not None, "the command's beginning")
    time.sleep(wait)
    process.kill()
    code = process.wait(PATIENCE)
    assert code in {-signal.SIGKILL, *codes}
    return code == -signal.SIGKILL


def killed_at(place: int | str, *args: object, root: Path, codes: Sequence[int] = (0,)) -> bool:
    """Run a command that dies before a file operation below ``root``; False: it ended.

    ``place`` counts operations from 1 (0 lets the command live), or is the first such operation
    as :func:`operations` tells it.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(HEAVY))
    child = context.Process(target=_child, args=(place, str(root), [str(arg) for arg in args]))
    child.start()
    child.join(PATIENCE)
    assert child.exitcode in {-signal.SIGKILL, *codes}, f"exit code {child.exitcode}"
    return child.exitcode == -signal.SIGKILL


def operations(*args: object, root: Path, codes: Sequence[int] = (0,)) -> list[str]:
    """Run a command to its end; its operations below ``root``, as the kind of event and of file."""
    told = root.parent / f"{root.name}-operations.txt"
    assert not killed_at(COUNTED, *args, root=root, codes=codes)
    found = told.read_text().splitlines()
    told.unlink()
    return found


def places(found: Sequence[str], number: int, *, seed: int) -> list[int]:
    """Operations to die before: one for each kind of file, and others at random up to a number."""
    rng = random.Random(seed)
    kinds: dict[str, list[int]] = {}
    for place, text in enumerate(found, start=1):
        kinds.setdefault(text.split(" ", 1)[1], []).append(place)
    chosen = {rng.choice(kind) for kind in kinds.values()}
    others = [place for place in range(1, len(found) + 1) if place not in chosen]
    return sorted(chosen | {*rng.sample(others, min(len(others), max(0, number - len(chosen))))})


def _environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}


def _child(place: int | str, root: str, args: list[str]) -> None:
    """In the child: watch file operations and run the command, in silence."""
    import torch

    from faprompt.cli.main import main

    torch.set_num_threads(1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    seen: list[str] = []

    def watch(event: str, values: tuple[Any, ...]) -> None:
        writing = event == "open" and isinstance(values[2], int) and values[2] & _WRITES
        if not (writing or event in CHANGES) or not _below(values[0], root):
            return
        seen.append(f"{event} {_kind(event, values[0])}")
        if place in {len(seen), seen[-1]}:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    try:
        main(args)
    finally:
        if place == COUNTED:
            Path(f"{root}-operations.txt").write_text("\n".join(seen))


_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def _kind(event: str, path: object) -> str:
    """``.b12.png.x81_kq0z``, which is to become ``b12.png``, and ``7.png`` are both ``#.png``."""
    if event == "os.mkdir":
        return "folder"
    name = re.sub(r"^\.(.+)\.[a-z0-9_]{8}$", r"\1", Path(str(path)).name)
    return re.sub(r"[0-9a-f]*\d[0-9a-f]*", "#", name)


def _below(path: object, root: str) -> bool:
    return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(root)
