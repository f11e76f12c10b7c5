"""From a file that arrived to a picture that can be scored, or a reason why not."""

import asyncio
import base64
import binascii
from pathlib import Path

from fastapi import Request
from pydantic import ValidationError

from faprompt.data.images import image_size
from faprompt.deploy.server.desk import Desk
from faprompt.deploy.server.names import display_name
from faprompt.deploy.server.problems import Problem, invalid
from faprompt.deploy.server.schemas import ScoreRequest
from faprompt.deploy.server.uploads import Arrived, Incoming
from faprompt.errors import DataError, OutputError

Size = tuple[int, int]


def measure(arrived: Arrived, max_pixels: int) -> Size:
    """Width and height of a file that arrived, from its header.

    Raises:
        DataError: it is not complete, not an image, or too large; the text is for its sender.
    """
    if arrived.refused is not None:
        raise DataError(arrived.refused)
    try:
        return image_size(arrived.path, max_pixels)
    except DataError as error:
        raise DataError(without_path(error, arrived.path)) from None


def without_path(error: Exception, path: Path) -> str:
    """The text of an error without the place where a file lies on the server."""
    return str(error).replace(f"{path}: ", "").replace(str(path), "image")


async def json_image(request: Request, desk: Desk) -> tuple[ScoreRequest, Arrived]:
    """An image that came as base64 within JSON.

    Raises:
        Problem: the body is too large, not JSON, or not what it should be.
    """
    limit = desk.limits.file_bytes * 4 // 3 + (1 << 16)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise Problem(413, f"the body is larger than {limit} bytes, the limit of one image")
    try:
        asked = ScoreRequest.model_validate_json(bytes(body))
    except ValidationError as error:
        raise invalid(error.errors()) from None
    return asked, await asyncio.to_thread(_decoded, asked, desk)


def _decoded(asked: ScoreRequest, desk: Desk) -> Arrived:
    try:
        content = base64.b64decode(asked.image, validate=True)
    except (binascii.Error, ValueError):
        raise Problem(422, "image: not base64", about="image") from None
    file = Incoming(display_name(asked.name), desk.folder, desk.limits.file_bytes)
    try:
        file.write(content)
        return file.end()
    except OutputError:
        file.abandon()
        raise
