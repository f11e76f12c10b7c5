"""Commands that end by SIGKILL: at a moment by the clock, or before a file operation by its count.

The second way knows every place where a half-done state can be left: Python reports ("audits") each
opening, renaming, removing and making of a file before it happens. Children come from a server
process that has imported everything once, so that each starts at once.
"""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from patience import PATIENCE, until

PROGRAM = (sys.executable, "-c", "from faprompt.cli.main import main; main()")
HEAVY = ("torch", "cv2", "faprompt.cli.predict", "faprompt.training.run", "faprompt.deploy.export")
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


def killed_by_the_clock(
    *args: object, begun: Callable[[], bool], wait: float, codes: Sequence[int] = (0,)
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


def killed_at(number: int, *args: object, root: Path, codes: Sequence[int] = (0,)) -> bool:
    """Run a command that dies before its file operation ``number`` below ``root``; False: it ended.

    Operations count from 1; 0 lets the command live.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(HEAVY))
    child = context.Process(target=_child, args=(number, str(root), [str(arg) for arg in args]))
    child.start()
    child.join(PATIENCE)
    assert child.exitcode in {-signal.SIGKILL, *codes}, f"exit code {child.exitcode}"
    return child.exitcode == -signal.SIGKILL


def operations(*args: object, root: Path, codes: Sequence[int] = (0,)) -> int:
    """Run a command to its end and count its file operations below ``root``."""
    count = root.parent / f"{root.name}-operations.txt"
    assert not killed_at(-1, *args, root=root, codes=codes)
    found = int(count.read_text())
    count.unlink()
    return found


def places(total: int, number: int, *, seed: int) -> list[int]:
    """Random operations to die before, one in each of ``number`` equal stretches."""
    rng = random.Random(seed)
    edges = [round(i * total / number) for i in range(number + 1)]
    return [rng.randint(low + 1, high) for low, high in pairwise(edges) if high > low]


def _environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}


def _child(number: int, root: str, args: list[str]) -> None:
    """In the child: watch file operations and run the command, in silence."""
    import torch

    from faprompt.cli.main import main

    torch.set_num_threads(1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    seen = 0

    def watch(event: str, values: tuple[Any, ...]) -> None:
        nonlocal seen
        writing = event == "open" and isinstance(values[2], int) and values[2] & _WRITES
        if not (writing or event in CHANGES) or not _below(values[0], root):
            return
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    try:
        main(args)
    finally:
        if number < 0:
            Path(f"{root}-operations.txt").write_text(str(seen))


_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def _below(path: object, root: str) -> bool:
    return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(root)
