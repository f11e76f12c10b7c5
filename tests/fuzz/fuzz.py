"""Coverage-guided fuzzing of one target: ``python tests/fuzz/fuzz.py image --seconds 180``.

Without a target, of all, one after the other. Needs ``pip install 'faprompt[fuzz]'``. Ends with a
line of figures and exit code 1 if anything was found; each input that did is kept in ``--findings``
under its place in the program.
"""

import argparse
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import atheris
import torch  # imported before anything is instrumented: its size would take minutes

INSTRUMENTED = ["faprompt", "PIL", "tomllib", "yaml", "zipfile", "csv", "json"]

with atheris.instrument_imports(include=INSTRUMENTED):
    from fuzz_targets import TARGETS, Finding, Target, execute


class Watch:
    """Runs inputs, counts them, and keeps those that no reader may answer so."""

    def __init__(self, target: Target, folder: Path, given: argparse.Namespace) -> None:
        self.target, self.folder, self.given = target, folder, given
        self.findings = given.findings / given.target
        self.began = time.monotonic()
        self.runs = self.accepted = 0
        self.slowest = 0.0
        self.hungriest = 0
        self.seen: set[str] = set()

    @property
    def elapsed(self) -> float:
        """Seconds since the first input."""
        return time.monotonic() - self.began

    def __call__(self, data: bytes) -> None:
        """Run one input."""
        before = _start_of_peak()
        began = time.process_time()
        try:
            self.accepted += execute(self.target, data, self.folder)
        except Finding as finding:
            self._keep(_place(finding), data, str(finding))
        took = time.process_time() - began
        self.runs += 1
        self.slowest = max(self.slowest, took)
        if took > self.given.limit_seconds:
            self._keep("slow", data, f"{took:.1f} s")
        grown = _peak() - before
        self.hungriest = max(self.hungriest, grown)
        if grown > self.given.limit_megabytes:
            self._keep("memory", data, f"{grown} MB more than before")

    def _keep(self, place: str, data: bytes, text: str) -> None:
        if place in self.seen:
            return
        self.seen.add(place)
        name = f"{place}-{hashlib.sha256(data).hexdigest()[:8]}"
        self.findings.mkdir(parents=True, exist_ok=True)
        (self.findings / name).write_bytes(data)
        print(f"FOUND {place}: {text[:300]}", flush=True)

    def summary(self) -> str:
        """The figures of the run."""
        return (
            f"{self.runs} executions in {self.elapsed / 60:.1f} min, {self.accepted} accepted, "
            f"slowest {self.slowest:.2f} s, hungriest {self.hungriest} MB, "
            f"{len(self.seen)} findings"
        )


def _start_of_peak() -> int:
    """Forget the largest memory so far; returns what is in use, in MB.

    Of one input at a time, because the fuzzer's own process grows while it learns.
    """
    Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    """Largest memory since then, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


def _place(finding: Finding) -> str:
    """Type of the exception and the last line of ours that it passed: one finding each."""
    cause = finding.__cause__ or finding
    ours = [f for f in traceback.extract_tb(cause.__traceback__) if "/faprompt/" in f.filename]
    where = f"{Path(ours[-1].filename).stem}-{ours[-1].lineno}" if ours else "outside"
    return f"{type(cause).__name__}-{where}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("target", choices=[*TARGETS, "all"], default="all", nargs="?")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--limit-seconds", type=float, default=2.0, help="Of one input.")
    parser.add_argument("--limit-megabytes", type=int, default=300, help="Of one input.")
    return parser.parse_args()


def main() -> None:
    """Fuzz the target asked for, or each in a process of its own, one after the other."""
    given = _arguments()
    if given.target != "all":
        fuzz(given)
    options = [word for word in sys.argv[1:] if word != "all"]
    command = [sys.executable, sys.argv[0], *options]
    ended = [subprocess.run([*command, name], check=False).returncode for name in TARGETS]
    sys.exit(any(ended))


def fuzz(given: argparse.Namespace) -> None:
    """Fuzz one target for a time; does not return."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable()
    target = TARGETS[given.target]
    root = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    corpus = root / "corpus"
    for place in (corpus, root / "files"):
        place.mkdir()
    watch = Watch(target, root / "files", given)
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
        execute(target, seed, root / "files")  # warms caches up: they are no input's fault

    def run(data: bytes) -> None:
        watch(data)
        if watch.elapsed > given.seconds:  # atheris itself would end without a word
            print(f"{given.target}: {watch.summary()}", flush=True)
            shutil.rmtree(root, ignore_errors=True)
            os._exit(bool(watch.seen))

    options = [f"-max_len={target.max_bytes}", "-timeout=60", "-rss_limit_mb=8192", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
