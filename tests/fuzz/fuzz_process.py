"""The process that fuzzes one target; started by ``fuzz.py``, which says how."""

import argparse
import hashlib
import logging
import os
import sys
import time
import traceback
import warnings
from pathlib import Path
from random import Random

import atheris
import torch  # imported before anything is instrumented: its size would take minutes

INSTRUMENTED = ["faprompt", "PIL", "tomllib", "yaml", "zipfile", "csv", "json", "python_multipart"]

BY_FORM = 0.7
"""Share of changes that keep the form, where a target knows such."""
FROM_SEED = 0.3

with atheris.instrument_imports(include=INSTRUMENTED):
    from fuzz_targets import TARGETS, Finding, Target, execute


class Watch:
    """Runs inputs, counts them, and keeps those that no reader may answer so."""

    def __init__(self, target: Target, folder: Path, given: argparse.Namespace) -> None:
        self.target, self.folder, self.given = target, folder, given
        self.findings = given.findings / given.target
        self.began = time.monotonic()
        self.runs = self.accepted = self.refused = 0
        self.slowest = 0.0
        self.hungriest = 0
        self.seen: set[str] = set()
        self.seeds = set(target.seeds())

    @property
    def elapsed(self) -> float:
        """Seconds since the first input."""
        return time.monotonic() - self.began

    def __call__(self, data: bytes) -> None:
        """Run one input."""
        before = _start_of_peak()
        began = time.process_time()
        try:
            accepted = execute(self.target, data, self.folder)
        except Finding as finding:
            self._keep(_place(finding), data, str(finding))
        else:
            self._count(data, accepted=accepted)
        took = time.process_time() - began
        self.runs += 1
        self.slowest = max(self.slowest, took)
        if took > self.given.limit_seconds:
            self._keep("slow", data, f"{took:.1f} s")
        grown = _peak() - before
        self.hungriest = max(self.hungriest, grown)
        if grown > self.given.limit_megabytes:
            self._keep("memory", data, f"{grown} MB more than before")

    def _count(self, data: bytes, *, accepted: bool) -> None:
        """Count an input that the fuzzer made; the seeds say nothing of how good it is."""
        if data not in self.seeds:
            self.accepted += accepted
            self.refused += not accepted

    @property
    def blind(self) -> bool:
        """Whether one side of the reader was never tried."""
        return not (self.accepted and self.refused)

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
        flag = "BLIND: one side was never tried; " if self.blind else ""
        return (
            f"{flag}{self.runs} executions in {self.elapsed / 60:.1f} min, "
            f"{self.accepted} accepted, {self.refused} refused, "
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
    parser = argparse.ArgumentParser()
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("root", type=Path)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--findings", type=Path, required=True)
    parser.add_argument("--limit-seconds", type=float, required=True)
    parser.add_argument("--limit-megabytes", type=int, required=True)
    return parser.parse_args()


def _mutator(target: Target) -> dict[str, object]:
    """What makes atheris change inputs in turn by bytes and by form.

    Of what it has collected most is refused, for there are more ways to be wrong than right; so
    some changes begin with a seed again.
    """
    if target.mutate is None:
        return {}
    by_form, seeds = target.mutate, target.seeds()

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        rng = Random(seed)
        data = rng.choice(seeds) if rng.random() < FROM_SEED else data
        new = by_form(data, rng) if rng.random() < BY_FORM else None
        if new is None or len(new) > max_size:
            return bytes(atheris.Mutate(data, max_size))
        return new

    return {"custom_mutator": mutate}


def main() -> None:
    """Fuzz one target for a time; does not return."""
    given = _arguments()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable()
    target = TARGETS[given.target]
    corpus, folder, left = (given.root / name for name in ("corpus", "files", "left"))
    for place in (corpus, folder, left):
        place.mkdir()
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
        execute(target, seed, folder)  # warms caches up: they are no input's fault
    watch = Watch(target, folder, given)

    def run(data: bytes) -> None:
        watch(data)
        if watch.elapsed > given.seconds:  # atheris itself would end without a word
            print(f"{given.target}: {watch.summary()}", flush=True)
            os._exit(bool(watch.seen) or watch.blind)

    options = [f"-max_len={target.max_bytes}", "-timeout=60", "-rss_limit_mb=8192", "-verbosity=0"]
    if target.mutate is not None:
        options.append("-mutate_depth=2")  # after five changes little is left of a form
    options.append(f"-artifact_prefix={left}/")  # else into the working directory
    atheris.Setup([sys.argv[0], *options, str(corpus)], run, **_mutator(target))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
