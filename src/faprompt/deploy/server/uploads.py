"""Multipart bodies to files, as they arrive: bounded memory, and one bad part costs itself alone.

The parser calls back per piece; the pieces are written in a thread, so that a slow disk holds
nobody else. Client file names are handed on as text and never touch a path.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartState, parse_options_header

from faprompt.deploy.server.folder import DeskFolder, writing
from faprompt.deploy.server.limits import Limits
from faprompt.deploy.server.names import display_name
from faprompt.deploy.server.problems import Problem

BUFFER = 1 << 20
"""Bytes that are gathered before they are written."""
MOST_FIELDS = 32
LONGEST_FIELD = 4096


@dataclass(kw_only=True, slots=True)
class Arrived:
    """A file that a request brought."""

    name: str
    """As it is shown."""
    path: Path
    """A temporary file; it is the caller's to move or remove."""
    sha256: str = ""
    size: int = 0
    refused: str | None = None
    """Why it is not complete."""


@dataclass(slots=True)
class _Part:
    """The part of a body that is being read."""

    headers: dict[str, bytes] = field(default_factory=dict)
    header: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))
    content: bytearray = field(default_factory=bytearray)
    file: "Incoming | None" = None

    def end_header(self) -> None:
        """Keep a header that is complete."""
        name, value = self.header
        self.headers[name.decode("latin-1").lower()] = bytes(value)
        self.header = bytearray(), bytearray()

    def abandon(self) -> None:
        """Forget what was written of a file."""
        if self.file is not None:
            self.file.abandon()


class Incoming:
    """A file that arrives, on the disk."""

    def __init__(self, name: str, folder: DeskFolder, limit: int) -> None:
        self.arrived = Arrived(name=name, path=folder.new_file())
        self._limit = limit
        self._hash = hashlib.sha256()
        self._stream: BinaryIO = self.arrived.path.open("wb")

    def write(self, data: bytes) -> None:
        """Keep bytes, up to the limit; beyond it they are counted and dropped."""
        self.arrived.size += len(data)
        if self.arrived.size > self._limit:
            self.arrived.refused = f"more than {self._limit} bytes, the limit of a file"
            return
        self._hash.update(data)
        with writing("incoming"):
            self._stream.write(data)

    def end(self) -> Arrived:
        """Complete the file."""
        with writing("incoming"):
            self._stream.close()
        self.arrived.sha256 = self._hash.hexdigest()
        if not self.arrived.size:
            self.arrived.refused = "is empty (0 bytes)"
        return self.arrived

    def abandon(self) -> None:
        """Forget a file that will not be complete."""
        with suppress(OSError):  # of a full disk: what it did not take is not needed
            self._stream.close()
        self.arrived.path.unlink(missing_ok=True)


class Body:
    """A multipart body: ``fields`` fill up while ``files`` is read."""

    def __init__(self, request: Request, folder: DeskFolder, limits: Limits) -> None:
        kind, options = parse_options_header(request.headers.get("content-type"))
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise Problem(
                415,
                "needed is a body of type multipart/form-data with its boundary, or of "
                "application/json",
            )
        self.fields: dict[str, str] = {}
        self._request, self._folder, self._limits = request, folder, limits
        self._part = _Part()
        self._ended: list[_Part] = []
        try:
            self._parser = _parser(boundary, self)
        except FormParserError as error:
            raise malformed(str(error)) from None
        self._files = self._fields = 0

    async def files(self) -> AsyncGenerator[Arrived, None]:
        """Files in their order, each as soon as it is complete.

        Each belongs to the caller, who moves or removes it.

        Raises:
            Problem: the body is not what it says, or has too many parts.
        """
        try:
            async for chunk in self._request.stream():
                self._feed(chunk)
                while self._ended:
                    if arrived := await self._complete(self._ended.pop(0)):
                        yield arrived
                if len(self._part.content) >= BUFFER:
                    await self._flush(self._part)
        finally:
            for part in (*self._ended, self._part):
                part.abandon()

    def _feed(self, chunk: bytes) -> None:
        """Parse a piece of the body; an empty one is its end."""
        if not chunk and self._parser.state != MultipartState.END:
            raise malformed("it ends too early")
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise malformed(str(error)) from None

    async def _flush(self, part: _Part) -> None:
        """Write what has gathered of a file; a field must be short."""
        if part.file is None:
            name = _file_name(part)
            if name is None:
                raise Problem(413, f"a field is longer than {LONGEST_FIELD} bytes")
            part.file = Incoming(name, self._folder, self._limits.file_bytes)
        data, part.content = bytes(part.content), bytearray()
        await asyncio.to_thread(part.file.write, data)

    async def _complete(self, part: _Part) -> Arrived | None:
        if part.file is None and _file_name(part) is None:
            self._add_field(part)
            return None
        self._files += 1
        if self._files > self._limits.files:
            raise Problem(413, f"more than {self._limits.files} files in one request")
        try:
            await self._flush(part)
            assert part.file is not None
            arrived = await asyncio.to_thread(part.file.end)
        except BaseException:
            part.abandon()
            raise
        part.file = None
        return arrived

    def _add_field(self, part: _Part) -> None:
        self._fields += 1
        if len(part.content) > LONGEST_FIELD or self._fields > MOST_FIELDS:
            raise Problem(413, f"more than {MOST_FIELDS} fields, or one over {LONGEST_FIELD} bytes")
        name = _option(part, b"name") or ""
        self.fields[name] = part.content.decode("utf-8", "replace")

    # What the parser calls

    def begin_part(self) -> None:
        """A part starts."""
        self._part = _Part()

    def end_part(self) -> None:
        """A part is complete."""
        self._ended.append(self._part)
        self._part = _Part()

    def header_name(self, data: bytes, start: int, end: int) -> None:
        """A piece of a header's name."""
        self._part.header[0].extend(data[start:end])

    def header_value(self, data: bytes, start: int, end: int) -> None:
        """A piece of a header's value."""
        self._part.header[1].extend(data[start:end])

    def end_header(self) -> None:
        """A header is complete."""
        self._part.end_header()

    def content(self, data: bytes, start: int, end: int) -> None:
        """A piece of a part's content."""
        self._part.content.extend(data[start:end])


def malformed(reason: str) -> Problem:
    """A body that is not what it says."""
    return Problem(400, f"the body is not multipart as it should be ({reason})")


def _parser(boundary: bytes, body: Body) -> MultipartParser:
    return MultipartParser(
        boundary,
        {
            "on_part_begin": body.begin_part,
            "on_part_end": body.end_part,
            "on_header_field": body.header_name,
            "on_header_value": body.header_value,
            "on_header_end": body.end_header,
            "on_part_data": body.content,
        },
        max_header_size=LONGEST_FIELD,
    )


def _option(part: _Part, name: bytes) -> str | None:
    found = parse_options_header(part.headers.get("content-disposition"))[1].get(name)
    return None if found is None else found.decode("utf-8", "replace")


def _file_name(part: _Part) -> str | None:
    """How a file is shown; None for a field."""
    raw = _option(part, b"filename")
    return None if raw is None else display_name(raw)
