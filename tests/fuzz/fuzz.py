"""Coverage-guided fuzzing of one target: ``python tests/fuzz/fuzz.py image --seconds 180``.

Without a target, of all, one after the other. Needs ``pip install 'faprompt[fuzz]'``. Ends with a
line of figures and exit code 1 if anything was found, or if a target is blind: it accepted nothing
or refused nothing, so that one side of its reader was never tried. Each input that did something
that no reader may do is kept in ``--findings`` under its place in the program.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "support"))

from fuzz_targets import TARGETS  # noqa: E402


def main() -> None:
    """Fuzz the targets asked for, each in a process of its own, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("target", choices=[*TARGETS, "all"], default="all", nargs="?")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--limit-seconds", type=float, default=2.0, help="Of one input.")
    parser.add_argument("--limit-megabytes", type=int, default=300, help="Of one input.")
    given = parser.parse_args()
    names = list(TARGETS) if given.target == "all" else [given.target]
    failed = [name for name in names if not passes(name, given)]
    sys.exit(bool(failed))


def passes(name: str, given: argparse.Namespace) -> bool:
    """Fuzz one target in a process of its own; whether nothing was found.

    The process may die of an input (out of memory, a crash inside a library): what the fuzzer then
    leaves is kept and reported like any finding.
    """
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=place) as root:
        command = [sys.executable, str(HERE / "fuzz_process.py"), name, root]
        command += ["--seconds", str(given.seconds), "--findings", str(given.findings.absolute())]
        command += ["--limit-seconds", str(given.limit_seconds)]
        command += ["--limit-megabytes", str(given.limit_megabytes)]
        paths = [str(HERE.parent / "support"), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        code = subprocess.run(command, check=False, env=environment).returncode
        left = sorted((Path(root) / "left").glob("*"))
        for file in left:
            given.findings.joinpath(name).mkdir(parents=True, exist_ok=True)
            shutil.move(file, given.findings / name / file.name)
            print(f"FOUND {name}: {given.findings / name / file.name}", flush=True)
    if code not in {0, 1}:
        print(f"{name}: the fuzzer's process ended with {code}", flush=True)
    return not code and not left


if __name__ == "__main__":
    main()
