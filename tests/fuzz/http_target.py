"""The desk's HTTP API: requests as bytes, read by the server's own parser, answered in-process.

An input is a request line without its version, header lines, an empty line and a body. Host and
length are added where they are missing; ``ID-batch``, ``ID-item`` and ``ID-station`` stand for
things that are there.
"""

import asyncio
import base64
import json
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import unquote

import h11
import mutations
from desks import GreyModel, png, served

from faprompt.deploy.server.app import create_app
from faprompt.deploy.server.desk import Desk
from faprompt.deploy.server.guards import API, SECURITY
from faprompt.deploy.server.limits import Limits
from faprompt.errors import DataError

LIMITS = Limits(
    file_bytes=4096, request_bytes=8192, files=4, pixels=10_000, waiting=50, batch_wait_seconds=1e-4
)
GREYS = (1, 2, 3, 4, 5, 6, 7, 8, 9)
"""Of the images that are there: as many as a station for one false alarm in ten needs."""
MOST = 20
"""Batches that may pile up before they are removed."""
IMAGE = png(7)
PART = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
JSON = b"\ncontent-type: application/json\n\n"
FORM = b"\ncontent-type: multipart/form-data; boundary=b\n\n"
STATION = b'{"name": "nut", "batch": "ID-batch", "false_alarms": 0.1, "review_rate": 0.2'
SEEDS = (
    b"GET /api/v1/health\n\n",
    b"GET /api/v1/limits\n\n",
    b"GET /api/v1/models\n\n",
    b"GET /api/v1/session\ncookie: faprompt_session=x\nauthorization: Bearer x\n\n",
    b"POST /api/v1/login" + JSON + b'{"key": "x"}',
    b"POST /api/v1/logout\ncookie: faprompt_session=x\n\n",
    b"GET /api/v1/batches\n\n",
    b"POST /api/v1/batches" + JSON + b'{"name": "x", "tile": "auto", "images_of": "ID-batch"}',
    b"POST /api/v1/batches" + JSON + b'{"name": "x", "model": "grey", "station": "ID-station"}',
    b"GET /api/v1/batches/ID-batch\n\n",
    b"PATCH /api/v1/batches/ID-batch" + JSON + b'{"name": "y", "station": "ID-station"}',
    b"POST /api/v1/batches/ID-batch/cancel\n\n",
    b"DELETE /api/v1/batches/ID-batch\n\n",
    b"GET /api/v1/batches/ID-batch/items?after=0&limit=5&polygons=true\n\n",
    b"PUT /api/v1/batches/ID-batch/labels" + JSON + b'{"items": ["ID-item"], "label": "ng"}',
    b"POST /api/v1/batches/ID-batch/images?unique=true" + FORM + PART + IMAGE + b"\r\n--b--\r\n",
    b"POST /api/v1/batches/ID-batch/images" + FORM + PART + b"x\r\n" + PART + IMAGE + b"\r\n--b--",
    b"POST /api/v1/batches/ID-batch/images"
    + JSON
    + b'{"images": [{"image": "'
    + base64.b64encode(IMAGE)
    + b'", "name": "a.png"}, {"image": "x"}]}',
    b"GET /api/v1/batches/ID-batch/compare?other=ID-batch\n\n",
    b"GET /api/v1/batches/ID-batch/export?format=csv\n\n",
    b"GET /api/v1/batches/ID-batch/export?format=html\n\n",
    b"GET /api/v1/batches/ID-batch/export?format=coco\n\n",
    b"GET /api/v1/items/ID-item\n\n",
    b"PUT /api/v1/items/ID-item/label" + JSON + b'{"label": null}',
    b"DELETE /api/v1/items/ID-item\n\n",
    b"GET /api/v1/items/ID-item/image?size=full\n\n",
    b"GET /api/v1/items/ID-item/map?size=thumb\n\n",
    b"GET /api/v1/items/ID-item/overlay?size=view\n\n",
    b"GET /api/v1/items/ID-item/mask?threshold=0.5\n\n",
    b"GET /api/v1/stations\n\n",
    b"POST /api/v1/stations" + JSON + STATION + b"}",
    b"POST /api/v1/stations" + JSON + STATION + b', "confidence": 0.5, "model": "grey"}',
    b"GET /api/v1/stations/ID-station\n\n",
    b"GET /api/v1/stations/ID-station/file\n\n",
    b"DELETE /api/v1/stations/ID-station\n\n",
    b"POST /api/v1/score" + JSON + b'{"image": "' + base64.b64encode(IMAGE) + b'", "tile": "64"}',
    b"POST /api/v1/score" + FORM + PART + IMAGE + b"\r\n--b--\r\n",
    b"GET /metrics\n\n",
    b"GET /docs\n\n",
    b"GET /\norigin: http://127.0.0.1\nsec-fetch-site: same-origin\n\n",
    b"HEAD /js/../%2e%2e/app.py\nhost: evil.example\n\n",
)
QUERIES = (
    b"size", b"after", b"limit", b"polygons", b"unique", b"other", b"format", b"threshold",
)  # fmt: skip


HEADERS = (
    b"host", b"origin", b"sec-fetch-site", b"authorization", b"cookie", b"content-type",
    b"content-length", b"transfer-encoding", b"range", b"if-range", b"if-none-match",
    b"if-modified-since", b"x-forwarded-proto", b"accept-encoding", b"expect", b"upgrade",
)  # fmt: skip
ODD_HEADERS = (
    b"[", b"//[::1", b"http://[", b"localhost:x", b"http://127.0.0.1", b"cross-site",
    b"Bearer \xff",
    b"faprompt_session=\xff", b'a="', b"chunked", b"gzip, chunked", b"bytes=-", b"bytes=0-0,2-,x",
    b'multipart/form-data; boundary="', b"multipart/form-data; boundary=" + b"b" * 200,
    b"application/json; charset=x", b"text/plain", b"100-continue", b"h2c", b"https",
)  # fmt: skip


def http_api(data: bytes, folder: Path) -> None:
    """One request; the answer is a right one, or an error of the form that all errors have."""
    global _server  # noqa: PLW0603 - opening a desk takes longer than a thousand requests
    if _server is None or _server.folder != folder:
        if _server is not None:
            _server.close()
        _server = _Server(folder)
    _server.refill()
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    for kind, ident in _server.ids.items():
        first = first.replace(b"ID-" + kind.encode(), ident.encode())
        body = body.replace(b"ID-" + kind.encode(), ident.encode())
    names = {line.partition(b":")[0].strip().lower() for line in lines}
    if b"host" not in names:
        lines.append(b"host: 127.0.0.1")
    if not names & {b"content-length", b"transfer-encoding"}:
        lines.append(b"content-length: %d" % len(body))
    path = first.partition(b" ")[2].decode("latin-1")
    _check(path, *_server.ask(b"\r\n".join([first + b" HTTP/1.1", *lines, b"", body])))


def _check(
    path: str, method: str, status: int, headers: dict[bytes, bytes], content: bytes
) -> None:
    """Raise an AssertionError where an answer is not as promised, a DataError where it refuses."""
    assert status < 500, content
    assert {name.encode() for name in SECURITY} <= headers.keys()
    kind = headers.get(b"content-type", b"").partition(b";")[0]
    told = json.loads(content) if kind == b"application/json" and content else None
    if status < 400:
        return
    if method != "HEAD" and path.startswith(API):
        assert told is not None, content
        assert told["error"].keys() == {"status", "message", "input"}
        assert told["error"]["status"] == status
    raise DataError(told["error"]["message"] if told else f"{status}")


def mutate_http(data: bytes, rng: Random) -> bytes | None:
    """Change the body by its form, ask something else of the query, or exchange words of the head.

    One time in eight the request goes to another route with the body that it has.
    """
    head, _, body = data.partition(b"\n\n")
    kind = rng.randrange(8)
    if kind < 4 and body:
        new = mutations.of_json(body, rng) if b"json" in head else mutations.of_lines(body, rng)
        return None if new is None else head + b"\n\n" + new
    first, *lines = head.split(b"\n")
    if kind == 4:
        first = rng.choice(SEEDS).partition(b"\n")[0]
    elif kind == 5:
        texts = mutations.ODD_TEXTS if rng.randrange(2) else ODD_HEADERS
        lines.append(rng.choice(HEADERS) + b": " + rng.choice(texts))
    elif kind == 6:
        sign = b"&" if b"?" in first else b"?"
        first += sign + rng.choice(QUERIES) + b"=" + rng.choice(mutations.ODD_TEXTS)
    else:
        changed = mutations.of_lines(head, rng)
        return None if changed is None else changed + b"\n\n" + body
    return b"\n".join([first, *lines]) + b"\n\n" + body


class _Server:
    """A desk that is open, with a finished batch, labels and a station in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.desk = Desk(folder / "desk", [served(GreyModel())], limits=LIMITS)
        self.desk.open()
        self.app = create_app(self.desk)
        self.runner = asyncio.Runner()
        self.ids: dict[str, str] = {}

    def close(self) -> None:
        """End its threads."""
        self.runner.close()
        self.desk.close()

    def refill(self) -> None:
        """Make again what a request has removed, and remove what piles up."""
        desk, ids = self.desk, self.ids
        there = ids and desk.store.item(ids["item"]) and desk.stations.get(ids["station"])
        if not there or max(len(desk.store.batches()), len(desk.stations.all())) > MOST:
            self._clear()
            self._fill()

    def _clear(self) -> None:
        for row in self.desk.store.batches():
            self.desk.queue.remove(row["id"])
            self.desk.forget(self.desk.store.delete_batch(row["id"]))
        for ident, _ in self.desk.stations.all():
            self.desk.stations.remove(ident)

    def _fill(self) -> None:
        made = self._told(b"POST", b"/api/v1/batches", b'{"name": "b"}')
        for grey in GREYS:
            told = self._told(
                b"POST", b"/api/v1/score", json.dumps(
                    {"image": base64.b64encode(png(grey)).decode(), "batch": made["id"]}
                ).encode(),
            )  # fmt: skip
            ident = told["id"]
            self._told(b"PUT", f"/api/v1/items/{ident}/label".encode(), b'{"label": "ok"}')
        asked = STATION.replace(b"ID-batch", made["id"].encode()) + b"}"
        station = self._told(b"POST", b"/api/v1/stations", asked)
        self.ids = {"batch": made["id"], "item": ident, "station": station["id"]}

    def _told(self, method: bytes, target: bytes, body: bytes) -> Any:
        head = b"%b %b HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        raw = head % (method, target) + b"content-length: %d\r\n\r\n" % len(body) + body
        _, status, _, content = self.ask(raw)
        assert status < 300, content
        return json.loads(content)

    def ask(self, raw: bytes) -> tuple[str, int, dict[bytes, bytes], bytes]:
        """Method, and status, headers and content of the answer to a request.

        Raises:
            DataError: no request of HTTP; the server hangs up on it.
        """
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(raw)
        try:
            request, pieces, whole = _request(connection)
        except h11.RemoteProtocolError as error:
            raise DataError(f"not HTTP: {error}") from None
        status, headers, content = self.runner.run(_answer(self.app, request, pieces, whole=whole))
        return request.method.decode("ascii"), status, headers, content


_server: _Server | None = None


def _request(connection: h11.Connection) -> tuple[h11.Request, list[bytes], bool]:
    """The first request that a client sent, its body, and whether that is complete."""
    request = connection.next_event()
    if not isinstance(request, h11.Request):
        raise h11.RemoteProtocolError("no whole head")
    pieces = []
    while isinstance(event := connection.next_event(), h11.Data):
        pieces.append(bytes(event.data))
    return request, pieces, isinstance(event, h11.EndOfMessage)


async def _answer(
    app: Any, request: h11.Request, pieces: list[bytes], *, whole: bool
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Call the application as its server does; a body that is not whole ends with its sender."""
    raw_path, _, query = request.target.partition(b"?")
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 9), "scheme": "http",
        "root_path": "", "method": request.method.decode("ascii"), "raw_path": raw_path,
        "path": unquote(raw_path.decode("ascii")), "query_string": query,
        "headers": [(name.lower(), value) for name, value in request.headers], "state": {},
    }  # fmt: skip
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    if whole:
        messages.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[dict[str, Any]] = []
    ended = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop(0)
        if whole:
            await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            ended.set()

    await app(scope, receive, send)
    assert sent, "no answer"
    start, *bodies = sent
    content = b"".join(message.get("body", b"") for message in bodies)
    return start["status"], dict(start["headers"]), content
