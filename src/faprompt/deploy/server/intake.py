"""From a file that arrived to a picture that can be scored, or a reason why not."""

import asyncio
import base64
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from faprompt.data.images import image_size
from faprompt.deploy.server.bodies import NewImage, NewImages, ScoreRequest
from faprompt.deploy.server.desk import Desk
from faprompt.deploy.server.names import display_name
from faprompt.deploy.server.problems import Problem, invalid
from faprompt.deploy.server.uploads import Arrived, Incoming
from faprompt.errors import DataError, OutputError

Size = tuple[int, int]
Asked = TypeVar("Asked", bound=BaseModel)
NOT_BASE64 = "image: not base64"


def measure(arrived: Arrived, max_pixels: int) -> Size:
    """Width and height of a file that arrived, from its header.

    Raises:
        DataError: it is not complete, not an image, or too large; the text is for its sender.
    """
    if arrived.refused is not None:
        raise DataError(arrived.refused)
    try:
        width, height = image_size(arrived.path, sys.maxsize)
    except DataError as error:
        raise DataError(without_path(error, arrived.path)) from None
    if width * height > max_pixels:
        raise DataError(
            f"{width} x {height} pixels are more than the limit of {max_pixels} of this desk; "
            "scale it down, look at it with `faprompt predict --tile`, or have the desk started "
            "with a larger --max-pixels"
        )
    return width, height


def without_path(error: Exception, path: Path) -> str:
    """The text of an error without the place where a file lies on the server."""
    return str(error).replace(f"{path}: ", "").replace(str(path), "image")


def is_json(request: Request) -> bool:
    """Whether a body says that it is JSON."""
    return request.headers.get("content-type", "").startswith("application/json")


async def json_image(request: Request, desk: Desk) -> tuple[ScoreRequest, Arrived]:
    """An image that came as base64 within JSON.

    Raises:
        Problem: the body is too large, not JSON, or not what it should be.
    """
    asked = await _read(request, desk, ScoreRequest)
    arrived = await asyncio.to_thread(_decoded, asked, desk)
    if arrived.refused == NOT_BASE64:
        arrived.path.unlink(missing_ok=True)
        raise Problem(422, NOT_BASE64, about="image")
    return asked, arrived


async def json_images(request: Request, desk: Desk) -> AsyncGenerator[Arrived, None]:
    """Images that came as base64 within JSON, in their order; each belongs to the caller.

    Raises:
        Problem: the body is too large, not JSON, or not what it should be.
    """
    asked = await _read(request, desk, NewImages)
    if len(asked.images) > desk.limits.files:
        raise Problem(413, f"more than {desk.limits.files} files in one request")
    for image in asked.images:
        yield await asyncio.to_thread(_decoded, image, desk)


async def _read(request: Request, desk: Desk, kind: type[Asked]) -> Asked:
    """A body of JSON, which is held in memory: it may be as large as one image."""
    limit = desk.limits.file_bytes * 4 // 3 + (1 << 16)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise Problem(
                413,
                f"the body is larger than {limit} bytes, the limit of JSON; send fewer images, "
                "or send them as multipart/form-data",
            )
    try:
        return kind.model_validate_json(bytes(body))
    except ValidationError as error:
        raise invalid(error.errors()) from None


def _decoded(asked: NewImage, desk: Desk) -> Arrived:
    """The file of an image; refused where it is none."""
    file = Incoming(display_name(asked.name), desk.folder, desk.limits.file_bytes)
    refused = None
    try:
        file.write(base64.b64decode(asked.image, validate=True))
    except ValueError:
        refused = NOT_BASE64
    except OutputError:
        file.abandon()
        raise
    arrived = file.end()
    arrived.refused = refused or arrived.refused
    return arrived
