"""What clients send who mean harm: names, keys, hosts, bodies, bombs."""

import io
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desks import API, GreyModel, client_of, finished_items, new_batch, png, send, served
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from patience import PATIENCE
from PIL import Image

from faprompt.deploy.server import uploads
from faprompt.deploy.server.keys import COOKIE, Keys, read_key
from faprompt.deploy.server.names import display_name, download_name
from faprompt.deploy.server.store import Store
from faprompt.errors import ConfigError, OutputError

KEY = "0123456789abcdef-key"
BEARER = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    limits: dict[str, Any] = {
        "file_bytes": 20_000,
        "request_bytes": 60_000,
        "files": 4,
        "pixels": 10_000,
    }
    with client_of(tmp_path / "desk", served(GreyModel()), **limits) as client:
        yield client


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[TestClient]:
    with client_of(tmp_path / "desk", served(GreyModel()), key=KEY) as client:
        yield client


def multipart(*parts: tuple[str, bytes], boundary: str = "b") -> dict[str, Any]:
    """A body with raw content-disposition values, as no decent client writes them."""
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: {head}\r\n\r\n".encode("utf-8", "surrogateescape")
        + content
        + b"\r\n"
        for head, content in parts
    )
    kind = f"multipart/form-data; boundary={boundary}"
    return {"content": body + f"--{boundary}--\r\n".encode(), "headers": {"content-type": kind}}


NAMES = [
    ("../../x", "x"),
    ("/etc/passwd", "etc/passwd"),
    ("..\\..\\windows\\a.png", "windows/a.png"),
    ("C:\\temp\\a.png", "a.png"),
    ("a\x00b.png", "ab.png"),
    ("line\u2028break\u202egnp.png", "linebreakgnp.png"),
    ("\U0001f600 größe.png", "\U0001f600 größe.png"),
    ("..", "unnamed"),
    ("", "unnamed"),
    ("x" * 500 + ".png", "x" * 196 + ".png"),
]


@pytest.mark.parametrize(("raw", "shown"), NAMES, ids=range(len(NAMES)))
def test_names_of_clients_are_shown_and_never_paths(
    client: TestClient, tmp_path: Path, raw: str, shown: str
) -> None:
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    batch = new_batch(client)
    head = f'form-data; name="files"; filename="{raw}"'
    reply = client.post(f"{API}/batches/{batch}/images", **multipart((head, png(3))))
    assert [item["name"] for item in reply.json()["items"]] == [shown]
    (item,) = finished_items(client, batch)
    new = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    ours = {item["sha256"], item["id"], "desk.sqlite", "desk.sqlite-wal", "desk.sqlite-shm"}
    assert {path.name for path in new} <= ours | {"desk.lock"}
    assert all(tmp_path / "desk" in path.parents for path in new)


@given(st.text(max_size=300))
def test_shown_names_are_one_harmless_line(raw: str) -> None:
    name = display_name(raw)
    assert 0 < len(name) <= 200
    assert name.isprintable() or " " in name
    assert not set(name.split("/")) & {"", ".", ".."}
    assert "\\" not in name
    assert display_name(name) == name
    assert download_name(raw, ".csv").replace("-", "").replace(".", "").isalnum()


def test_names_cannot_leave_the_header_of_a_download(client: TestClient) -> None:
    batch = new_batch(client, name='a"\r\nSet-Cookie: x=1; ü')
    reply = client.get(f"{API}/batches/{batch}/export?format=csv")
    assert reply.headers["content-disposition"] == 'attachment; filename="a-Set-Cookie-x-1.csv"'
    assert "set-cookie" not in reply.headers


def test_too_large_a_body_is_refused_by_its_length_and_by_counting(client: TestClient) -> None:
    batch = new_batch(client)
    said = send(client, batch, ("a.png", bytes(70_000)))
    assert said.status_code == 413

    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
        for _ in range(1000):
            taken += 1
            yield bytes(10_000)

    counted = client.post(
        f"{API}/batches/{batch}/images",
        content=endless(),
        headers={"content-type": "multipart/form-data; boundary=b"},
    )
    assert counted.status_code == 413
    assert "60000 bytes" in counted.json()["error"]["message"]
    assert client.get(f"{API}/batches/{batch}").json()["status"] == "open"


def test_too_large_a_file_costs_itself_alone(client: TestClient) -> None:
    batch = new_batch(client)
    reply = send(client, batch, ("big", png(1) + bytes(20_000)), ("good", png(1)), ("empty", b""))
    assert [item["name"] for item in reply.json()["items"]] == ["good"]
    assert [(r["name"], r["message"]) for r in reply.json()["rejected"]] == [
        ("big", "more than 20000 bytes, the limit of a file"),
        ("empty", "is empty (0 bytes)"),
    ]


def test_too_many_files_end_the_request_and_keep_those_before(client: TestClient) -> None:
    batch = new_batch(client)
    reply = send(client, batch, *((f"{n}", png(n)) for n in range(6)))
    assert reply.status_code == 413
    assert reply.json()["error"]["message"] == "more than 4 files in one request"
    assert len(finished_items(client, batch)) == 4


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises more than it holds."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    idat = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + idat + chunk(b"IEND", b"")


def test_a_bomb_is_refused_by_its_header(client: TestClient) -> None:
    batch = new_batch(client)
    reply = send(client, batch, ("bomb.png", bomb(50_000, 50_000)), ("good.png", png(1)))
    (rejected,) = reply.json()["rejected"]
    assert rejected["message"].startswith("50000 x 50000 pixels are more than the limit of 10000")
    assert "have the desk started with a larger --max-pixels" in rejected["message"]
    assert len(finished_items(client, batch)) == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
def test_absurd_shapes_are_images_too(client: TestClient, size: tuple[int, int]) -> None:
    batch = new_batch(client)
    send(client, batch, ("a.png", png(255, size)))
    (item,) = finished_items(client, batch)
    assert (item["status"], item["width"], item["height"]) == ("done", *size)
    for kind in ("image", "map", "overlay", "mask"):
        for shown in ("thumb", "view", "full"):
            reply = client.get(f"{API}/items/{item['id']}/{kind}?size={shown}")
            assert reply.status_code == 200
            assert Image.open(io.BytesIO(reply.content)).width <= size[0]


BODIES: list[dict[str, Any]] = [
    {"content": b"x", "headers": {"content-type": "text/plain"}},
    {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
    {"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=" + "b" * 400}},
    {"content": b"no boundary", "headers": {"content-type": "multipart/form-data; boundary=b"}},
    {"content": b"--b\r\nX", "headers": {"content-type": "multipart/form-data; boundary=b"}},
    multipart(*(("form-data; name=f", b"v") for _ in range(40))),
    multipart(("form-data; name=f", bytes(5000))),
    multipart(("form-data; name=f; " + "x" * 9000, b"")),
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_malformed_bodies_are_errors_and_leave_no_files(
    client: TestClient, tmp_path: Path, body: dict[str, Any]
) -> None:
    batch = new_batch(client)
    reply = client.post(f"{API}/batches/{batch}/images", **body)
    assert reply.status_code in {400, 413, 415}
    assert reply.json()["error"]["message"]
    assert not list((tmp_path / "desk" / "incoming").iterdir())


def test_a_body_that_ends_early_keeps_what_was_complete(client: TestClient) -> None:
    batch = new_batch(client)
    head = 'form-data; name="files"; filename="{}"'
    whole = multipart((head.format("a"), png(1)), (head.format("b"), png(2)))
    whole["content"] = whole["content"][:-60]
    reply = client.post(f"{API}/batches/{batch}/images", **whole)
    assert reply.status_code == 400
    assert [item["name"] for item in finished_items(client, batch)] == ["a"]


def test_files_in_many_pieces_are_whole_or_leave_nothing(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "BUFFER", 50)
    batch = new_batch(client)
    whole = multipart(('form-data; name="files"; filename="a"', png(3)))
    content = whole["content"]

    def pieces(end: int) -> Iterator[bytes]:
        for start in range(0, end, 7):
            yield content[start : min(start + 7, end)]

    path = f"{API}/batches/{batch}/images"
    cut = client.post(path, content=pieces(len(content) - 20), headers=whole["headers"])
    assert cut.status_code == 400
    assert not list((tmp_path / "desk" / "incoming").iterdir())
    client.post(path, content=pieces(len(content)), headers=whole["headers"])
    (item,) = finished_items(client, batch)
    assert client.get(f"{API}/items/{item['id']}/image?size=full").content == png(3)


def test_without_the_key_nothing_is_told_but_that_the_service_lives(locked: TestClient) -> None:
    for path in ("models", "batches", "limits", "items/x/image", "stations", "nothing"):
        for headers in ({}, {"Authorization": f"Bearer {KEY}x"}, {"Authorization": KEY}):
            reply = locked.get(f"{API}/{path}", headers=headers)
            assert reply.status_code == 401
            assert reply.headers["www-authenticate"] == "Bearer"
    assert locked.get("/metrics").status_code == 401
    assert locked.get(f"{API}/health").status_code == 200
    assert locked.get("/").status_code == 200
    assert locked.get(f"{API}/batches", headers=BEARER).status_code == 200
    assert locked.get("/metrics", headers=BEARER).status_code == 200


def test_a_session_is_a_strict_cookie_that_can_be_ended(locked: TestClient) -> None:
    session = locked.get(f"{API}/session").json()
    assert session == {"key_needed": True, "logged_in": False}
    assert locked.post(f"{API}/login", json={"key": KEY + "x"}).status_code == 401
    reply = locked.post(f"{API}/login", json={"key": KEY})
    assert reply.status_code == 204
    cookie = reply.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert KEY not in cookie
    assert locked.get(f"{API}/session").json()["logged_in"]
    assert locked.get(f"{API}/batches").status_code == 200
    stolen = locked.cookies[COOKIE]
    locked.post(f"{API}/logout")
    assert locked.get(f"{API}/batches", headers={"cookie": f"{COOKIE}={stolen}"}).status_code == 401


def test_old_sessions_end_when_there_are_too_many() -> None:
    keys = Keys(KEY)
    sessions = [keys.log_in(KEY) for _ in range(1001)]
    allowed = [keys.allow("", f"{COOKIE}={session}") for session in sessions]
    assert allowed == [False] + [True] * 1000


def test_keys_are_read_whole_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    assert read_key(path) == KEY
    monkeypatch.delenv("FAPROMPT_API_KEY", raising=False)
    assert read_key(None) is None
    monkeypatch.setenv("FAPROMPT_API_KEY", "short")
    with pytest.raises(ConfigError, match=r"FAPROMPT_API_KEY: a key needs at least 16"):
        read_key(None)
    with pytest.raises(ConfigError, match=r"missing: cannot be read"):
        read_key(tmp_path / "missing")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"host": "localhost:8000"}, 201),
        ({"host": "[::1]:8000"}, 201),
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"origin": "http://127.0.0.1"}, 201),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin"}, 201),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_pages_of_other_sites_cannot_use_a_desk_without_key(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    reply = client.post(f"{API}/batches", json={"name": "x"}, headers=headers)
    assert reply.status_code == status
    assert "access-control-allow-origin" not in reply.headers


def test_cors_is_closed(client: TestClient) -> None:
    asked = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    reply = client.options(f"{API}/batches", headers=asked)
    assert reply.status_code in {403, 405}
    assert not [name for name in reply.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/", "/nothing", f"{API}/health", f"{API}/items/x", "/metrics"])
def test_every_answer_carries_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "server" not in headers
    assert ("no-store" in headers["cache-control"]) == path.startswith(API)


@pytest.mark.parametrize(
    "path", ["/../app.py", "/%2e%2e/app.py", "/..%2fapp.py", "//etc/passwd", "/.%2e/desk.py"]
)
def test_the_page_serves_its_own_files_alone(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("ident", ["x", "%00", "..%2f..%2fetc", "' OR 1=1 --", "x" * 5000])
def test_unknown_ids_are_simply_not_there(client: TestClient, ident: str) -> None:
    for path in (f"items/{ident}", f"items/{ident}/image", f"batches/{ident}"):
        assert client.get(f"{API}/{path}").status_code == 404


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", f"after={10**30}", "limit=0", "limit=100000"]
)
def test_numbers_out_of_range_are_usage_errors(client: TestClient, query: str) -> None:
    batch = new_batch(client)
    reply = client.get(f"{API}/batches/{batch}/items?{query}")
    assert reply.status_code == 422
    assert reply.json()["error"]["input"].startswith("query.")


def test_a_full_disk_is_an_error_and_not_a_half_item(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = new_batch(client)
    real = Path.replace

    def full(self: Path, target: Any) -> Path:
        if "images" in Path(target).parts:
            raise OSError(28, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", full)
    reply = send(client, batch, ("a.png", png(1)))
    assert "No space left" in reply.json()["rejected"][0]["message"]
    monkeypatch.undo()
    send(client, batch, ("a.png", png(1)))
    assert [item["status"] for item in finished_items(client, batch)] == ["done"]


def test_an_image_without_a_row_is_not_kept(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = new_batch(client)
    send(client, batch, ("a.png", png(1)))

    def full(*_: Any) -> None:
        raise OutputError("desk.sqlite: cannot be written (database or disk is full)")

    monkeypatch.setattr(Store, "add_item", full)
    for value in (1, 2):
        reply = send(client, batch, ("b.png", png(value)))
        assert "disk is full" in reply.json()["rejected"][0]["message"]
    monkeypatch.setattr(Store, "add_item", lambda *_: None)  # the batch went meanwhile
    assert send(client, batch, ("c.png", png(3))).status_code == 404
    kept = [path for path in (tmp_path / "desk" / "images").rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in kept] == [png(1)]


def test_a_fault_of_the_model_costs_its_image_alone(tmp_path: Path) -> None:
    model = GreyModel()
    model.crash_on = {13}
    with client_of(tmp_path, served(model), batch_size=3, batch_wait_seconds=PATIENCE) as client:
        batch = new_batch(client)
        send(client, batch, ("a", png(1)), ("b", png(2, (13, 8))), ("c", png(3)))
        statuses = [item["status"] for item in finished_items(client, batch)]
        assert statuses == ["done", "failed", "done"]
        assert client.get(f"{API}/health").status_code == 200
    assert threading.active_count() < 50
