"""Send a folder of images to a desk, wait for the answers, print the decisions.

Standard library alone: copy this file to where the images are. The desk runs elsewhere, as
``faprompt serve``; with a key, put it into the environment as FAPROMPT_API_KEY.

    python desk_client.py ./photos --url http://127.0.0.1:8000 --station tiles
"""

import argparse
import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from http.client import HTTPException
from itertools import islice
from pathlib import Path
from typing import Any

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
AT_ONCE = 8
"""Images per request."""
PAUSE = 0.5
"""Seconds between two looks at the batch."""


class Desk:
    """The API of one desk, as far as this client needs it."""

    def __init__(self, url: str, key: str | None) -> None:
        self.url = url.rstrip("/") + "/api/v1"
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}

    def ask(self, path: str, body: Any = None) -> Any:
        """JSON of a GET, or of a POST where there is a body."""
        data = None if body is None else json.dumps(body).encode()
        return self._open(path, data, "application/json")

    def send(self, batch: str, files: list[Path]) -> list[dict[str, Any]]:
        """Upload files; while the queue is full, wait and send them again.

        Returns:
            What the desk does not take, with the reasons.
        """
        body, kind = multipart(files)
        while True:
            # unique: files that the desk has already are not added by sending them again.
            reply = self._open(f"/batches/{batch}/images?unique=true", body, kind)
            if not any(each["retry"] for each in reply["rejected"]):
                return list(reply["rejected"])
            time.sleep(PAUSE)

    def _open(self, path: str, data: bytes | None, kind: str) -> Any:
        headers = self.headers | ({"Content-Type": kind} if data is not None else {})
        request = urllib.request.Request(self.url + path, data, headers)
        while True:
            try:
                with urllib.request.urlopen(request, timeout=300) as reply:
                    return json.load(reply)
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    raise SystemExit(f"{path}: {message_of(error)}") from None
                time.sleep(float(error.headers.get("Retry-After", PAUSE)))
            except (OSError, HTTPException) as error:  # nobody there, or gone meanwhile
                reason = getattr(error, "reason", error)
                raise SystemExit(f"{self.url}: no answer ({reason})") from None


def message_of(error: urllib.error.HTTPError) -> str:
    """What the desk says is wrong."""
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return str(error)


def multipart(files: Iterable[Path]) -> tuple[bytes, str]:
    """Body and content type of an upload."""
    boundary = secrets.token_hex(16)
    parts = []
    for path in files:
        name = path.name.replace("\\", "\\\\").replace('"', '\\"')
        head = f'Content-Disposition: form-data; name="files"; filename="{name}"'
        parts += [f"--{boundary}\r\n{head}\r\n\r\n".encode(), path.read_bytes(), b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


def in_groups(files: Iterable[Path], size: int) -> Iterator[list[Path]]:
    """Lists of at most ``size`` files."""
    remaining = iter(files)
    while group := list(islice(remaining, size)):
        yield group


def named(desk: Desk, kind: str, name: str | None) -> str | None:
    """The id of a station or model that is called so."""
    if name is None:
        return None
    for each in desk.ask(f"/{kind}")[kind]:
        if name in {each["id"], each["name"]}:
            return str(each["id"])
    raise SystemExit(f"{name}: not among the desk's {kind}")


def finished(desk: Desk, batch: str) -> list[dict[str, Any]]:
    """All items, once none of them waits; asks only for what changed."""
    items: dict[str, dict[str, Any]] = {}
    change = 0
    while True:
        reply = desk.ask(f"/batches/{batch}/items?after={change}")
        items |= {item["id"]: item for item in reply["items"]}
        change = reply["change"]
        if reply["more"]:
            continue
        open_ = sum(item["status"] in {"waiting", "running"} for item in items.values())
        print(f"\r{len(items) - open_} of {len(items)} done ", end="", file=sys.stderr)
        if not open_:
            print(file=sys.stderr)
            return list(items.values())
        time.sleep(PAUSE)


def line(item: dict[str, Any]) -> str:
    """One image as a line: verdict, score, name."""
    if item["status"] != "done":
        return f"FAILED\t\t{item['name']}\t{item['error']}"
    verdict = item["decision"]["verdict"] if item["decision"] else "-"
    return f"{verdict}\t{item['image_score']:.6f}\t{item['name']}"


def main() -> int:
    """Upload, wait, print; 1 where an image could not be used."""
    parser = argparse.ArgumentParser(description="Score a folder of images on a desk.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--station", help="name or id")
    parser.add_argument("--model", help="name or id")
    options = parser.parse_args()
    if not options.folder.is_dir():
        raise SystemExit(f"{options.folder}: no such folder")
    files = sorted(p for p in options.folder.iterdir() if p.suffix.lower() in ENDINGS)
    if not files:
        raise SystemExit(f"{options.folder}: no images there")
    desk = Desk(options.url, os.environ.get("FAPROMPT_API_KEY"))
    asked = {
        "name": options.folder.resolve().name,
        "station": named(desk, "stations", options.station),
        "model": named(desk, "models", options.model),
    }
    batch = desk.ask("/batches", asked)["id"]
    rejected = [one for group in in_groups(files, AT_ONCE) for one in desk.send(batch, group)]
    items = finished(desk, batch)
    for item in sorted(items, key=lambda item: -(item["image_score"] or 0)):
        print(line(item))
    for each in rejected:
        print(f"FAILED\t\t{each['name']}\t{each['message']}")
    return int(bool(rejected) or any(item["status"] != "done" for item in items))


if __name__ == "__main__":
    sys.exit(main())
