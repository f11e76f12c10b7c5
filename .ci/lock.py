"""What pip would install here, as requirements with hashes: ``python .ci/lock.py report.json``.

The report is pip's own (``pip install --dry-run --ignore-installed --report``). Every file gets the
SHA-256 that its index told, so that ``pip install --require-hashes`` accepts no other.
"""

import json
import sys
from pathlib import Path
from typing import Any


def line(item: dict[str, Any]) -> str | None:
    """One requirement; None for the project itself, which has no archive."""
    archive = item["download_info"].get("archive_info")
    if archive is None:
        return None
    about = item["metadata"]
    return f"{about['name']}=={about['version']} --hash=sha256:{archive['hashes']['sha256']}"


def main() -> None:
    """Read the report, print the requirements."""
    report = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    here = report["environment"]
    about = (
        f"# {here['platform_system']} {here['platform_machine']}, Python {here['python_version']}"
    )
    lines = sorted(filter(None, map(line, report["install"])), key=str.lower)
    sys.stdout.write("".join(f"{text}\n" for text in [f"{about}; made by `make lock`", *lines]))


if __name__ == "__main__":
    main()
