"""The process: one socket, one event loop, a clean end on SIGTERM and SIGINT."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from faprompt.deploy.server.limits import Limits
from faprompt.deploy.server.shares import Shares
from faprompt.errors import ConfigError
from faprompt.heap import few_arenas

KEEP_ALIVE_SECONDS = 15
LONGEST_HEAD = 65536
"""Bytes of a request's head."""
MOST_ARENAS = 2
"""With one for each thread that came and went, the process grew by 15 % in 2,000 requests of 64
clients."""


def bind(host: str, port: int) -> socket.socket:
    """A socket that nobody else has.

    Raises:
        ConfigError: the port is in use, or the address is not of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen()  # two may bind an address, but only one may listen
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"{host}:{port}: cannot be listened on ({reason}); choose another --port or --host"
        ) from None
    return found


def address(bound: socket.socket) -> str:
    """Where a browser on this machine finds a socket."""
    host, port = bound.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def serve(app: FastAPI, bound: socket.socket, limits: Limits, *, ready: Callable[[], None]) -> None:
    """Answer requests until a signal comes, then let the running ones finish.

    Args:
        app: Of ``create_app``.
        bound: Of ``bind``; closed at the end.
        limits: Of time and connections.
        ready: Called once when requests are answered.
    """
    protocol = partial(_Protocol, limits=limits, places=Shares(limits.connections))
    config = uvicorn.Config(
        app,
        http=protocol,  # type: ignore[arg-type]  # it makes protocols, as a class does
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(limits.drain_seconds)),
        h11_max_incomplete_event_size=LONGEST_HEAD,
    )
    server = _Server(config, ready)
    few_arenas(MOST_ARENAS)
    with _stopping(server):
        asyncio.run(server.serve_quietly([bound]))


class _Server(uvicorn.Server):
    """uvicorn's server, which tells when it is ready and leaves signals to us."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        self._ready()

    async def serve_quietly(self, sockets: list[socket.socket]) -> None:
        """Serve; a signal is a way to end, not an error."""
        await self._serve(sockets)


class _Protocol(H11Protocol):
    """HTTP/1.1 that hangs up on who has too many connections, or does not send a whole head."""

    def __init__(self, *given: Any, limits: Limits, places: Shares, **named: Any) -> None:
        super().__init__(*given, **named)
        self._limits, self._places = limits, places

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock, or close at once."""
        super().connection_made(transport)
        self._head = self._later()
        self._address = self.client[0] if self.client else ""
        self._placed = self._places.take(self._address)
        if not self._placed:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._head.cancel()
        if self._placed:
            self._places.give_back(self._address)
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Wait for the next request's head, as long again."""
        super().on_response_complete()
        self._head.cancel()
        self._head = self._later()

    def _later(self) -> asyncio.TimerHandle:
        return self.loop.call_later(self._limits.idle_seconds, self._hang_up)

    def _hang_up(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


@contextmanager
def _stopping(server: uvicorn.Server) -> Iterator[None]:
    """SIGTERM and SIGINT ask the server to end; a second SIGINT does not wait for clients."""

    def stop(number: int, _: FrameType | None) -> None:
        server.force_exit = server.should_exit and number == signal.SIGINT
        server.should_exit = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
