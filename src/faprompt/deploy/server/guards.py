"""What stands before the application, outermost first: headers, time, body, who may ask.

Plain ASGI, so that nothing is buffered: bodies stream through in both directions.
"""

import asyncio
import contextlib
import time
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from faprompt.deploy.server.keys import Keys
from faprompt.deploy.server.limits import Limits
from faprompt.deploy.server.metrics import Metrics
from faprompt.deploy.server.problems import Problem, answer, too_busy
from faprompt.deploy.server.shares import Shares

API = "/api/v1"
OPEN = {f"{API}/health", f"{API}/login", f"{API}/session"}
"""Answered without a key."""
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
SECURITY = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
LINGER_SECONDS = 5.0
"""How long a body that nobody wants is still read, so that its sender sees the answer."""

Headers = dict[str, str]


def headers_of(scope: Scope) -> Headers:
    """Request headers by lower-case name; the last of several wins."""
    return {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}


async def refuse(send: Send, problem: Problem) -> None:
    """Answer with an error."""
    response = answer(problem)
    start = {"type": "http.response.start", "status": problem.status}
    await send({**start, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body})


class Observer:
    """Adds the security headers to every answer, and counts it."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500
        cache = b"no-store" if scope["path"].startswith(API) else b"no-cache"

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = [(k.encode(), v.encode()) for k, v in SECURITY.items()]
                given = {name.lower() for name, _ in message["headers"]}
                if b"cache-control" not in given:
                    own.append((b"cache-control", cache))
                message["headers"] = [*message["headers"], *own]
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            self.metrics.answered(scope["method"], status, time.perf_counter() - started)


class BodyGuard:
    """Bounds requests: how many at once, their time, the size and the pauses of their bodies."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits = app, limits
        self._places = Shares(limits.requests)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, as long as it keeps to the limits."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        address = scope["client"][0] if scope["client"] else ""
        placed = self._places.take(address)
        try:
            await self._guard(scope, receive, send, placed=placed)
        finally:
            if placed:
                self._places.give_back(address)

    async def _guard(self, scope: Scope, receive: Receive, send: Send, *, placed: bool) -> None:
        headers = headers_of(scope)
        exchange = _Exchange(receive, send, self.limits, has_body=_has_body(headers))
        length = headers.get("content-length", "0")
        try:
            if not placed:
                raise too_busy("too many requests at once")
            if not length.isdecimal() or int(length) > self.limits.request_bytes:
                raise too_large(self.limits)
            async with asyncio.timeout(self.limits.request_seconds):
                await self.app(scope, exchange.receive, exchange.send)
        except Problem as problem:
            await exchange.refuse(problem)
        except TimeoutError:
            await exchange.refuse(Problem(504, "the request took too long; try again later"))


def too_large(limits: Limits) -> Problem:
    """A body beyond the limit."""
    return Problem(413, f"the body is larger than {limits.request_bytes} bytes, the limit")


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


class _Exchange:
    """One request and its answer, watched."""

    def __init__(self, receive: Receive, send: Send, limits: Limits, *, has_body: bool) -> None:
        self._receive, self._send, self._limits = receive, send, limits
        self._size = 0
        self._ended = not has_body
        self._stalled = False
        self._started = False

    async def receive(self) -> Message:
        """The next piece of the body.

        Raises:
            Problem: the pieces together are too large, or the next one does not come.
        """
        if self._ended:
            return await self._receive()
        try:
            async with asyncio.timeout(self._limits.idle_seconds):
                message = await self._next()
        except TimeoutError:
            self._stalled = True
            raise Problem(408, "the body did not arrive in time; send it again") from None
        self._size += len(message.get("body", b""))
        if self._size > self._limits.request_bytes:
            raise too_large(self._limits)
        return message

    async def send(self, message: Message) -> None:
        """Send a piece of the answer; one that comes before the body's end closes afterwards."""
        if message["type"] == "http.response.start":
            self._started = True
            if not self._ended:
                await self._drain(0.001)  # what is here already
            if not self._ended:
                message["headers"] = [*message["headers"], (b"connection", b"close")]
        elif not (message.get("more_body", False) or self._ended or self._stalled):
            # Closing at once would take the answer from the hands of who is still sending.
            await self._send({**message, "more_body": True})
            await self._drain(LINGER_SECONDS)
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def refuse(self, problem: Problem) -> None:
        """Answer with an error, or cut off an answer that has begun."""
        if self._started:
            raise ConnectionAbortedError(problem.message)
        await refuse(self.send, problem)

    async def _next(self) -> Message:
        message = await self._receive()
        self._ended = not message.get("more_body", False)
        return message

    async def _drain(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._ended:
                    await self._next()


class Doorkeeper:
    """Lets in who has the key; without a key, who is on this machine and meant to come."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self.app, self.keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = headers_of(scope)
        host = headers.get("host", "")
        # A page of elsewhere could make a browser ask: under a name of its own that leads here,
        # or by a form. Keys and the strict cookie stop that; without them this does.
        if not self.keys.needed and not is_loopback(_parts(f"//{host}").hostname or ""):
            text = "without a key only this machine is served; see --api-key-file"
            await refuse(send, Problem(403, text))
        elif scope["method"] not in {"GET", "HEAD"} and not _same_origin(headers, host):
            await refuse(send, Problem(403, "requests of other sites' pages are not served"))
        elif self._closed(scope["path"]) and not self.keys.allow(
            headers.get("authorization", ""), headers.get("cookie", "")
        ):
            headers = {"WWW-Authenticate": "Bearer"}
            problem = Problem(401, "the API key is missing or wrong", headers=headers)
            await refuse(send, problem)
        else:
            await self.app(scope, receive, send)

    def _closed(self, path: str) -> bool:
        return (path.startswith(f"{API}/") and path not in OPEN) or path.startswith("/metrics")


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _same_origin(headers: Headers, host: str) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is None or (host != "" and _parts(origin).netloc == host)


def _parts(address: str) -> SplitResult:
    """An address taken apart; what is none has no parts."""
    try:
        return urlsplit(address)
    except ValueError:  # of a bracket that is not closed
        return urlsplit("")
