"""Score one image at once; nothing is kept unless a batch is named."""

import asyncio
from concurrent.futures import Future
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request

from faprompt.deploy.server import bodies, schemas
from faprompt.deploy.server.database import Row
from faprompt.deploy.server.desk import Desk, DeskHere, Ticket
from faprompt.deploy.server.document import reference
from faprompt.deploy.server.intake import is_json, json_image, measure
from faprompt.deploy.server.problems import RETRY_SECONDS, Problem, too_busy
from faprompt.deploy.server.replies import item_reply
from faprompt.deploy.server.shares import client_of
from faprompt.deploy.server.statuses import errors
from faprompt.deploy.server.uploads import Arrived, Body
from faprompt.deploy.server.worker import StoppingError
from faprompt.errors import DataError

router = APIRouter(tags=["score"])

OPTIONS = {
    name: {"type": "string", "description": text}
    for name, text in {
        "model": "Id or name; none: the default model.",
        "station": "Id of a station; none: no decision.",
        "tile": "Windows: their side in pixels, or auto; none: no windows.",
        "batch": "Keep image and result in this batch, which decides the rest.",
    }.items()
}
FILE = {"type": "string", "format": "binary", "description": "The image."}
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": FILE, **OPTIONS},
                }
            },
            "application/json": {"schema": reference(bodies.ScoreRequest)},
        },
    }
}


@router.post("/score", openapi_extra=BODY, responses=errors(400, 404, 415, 422))
async def score(request: Request, desk: DeskHere) -> schemas.Item:
    """Score one image and wait for the answer.

    The image comes as multipart (``file``) or within JSON (``image`` in base64), beside it
    ``model``, ``station``, ``tile`` and ``batch``.
    """
    if desk.queue.full:
        raise too_busy()
    if is_json(request):
        asked, arrived = await json_image(request, desk)
        try:
            options = asked.model_dump(exclude={"image", "name"})
            return await _scored(request, desk, arrived, options)
        finally:
            arrived.path.unlink(missing_ok=True)
    files, fields = await _multipart(request, desk)
    try:
        if len(files) != 1:
            raise Problem(422, f"file: needed is one, got {len(files)}", about="file")
        return await _scored(request, desk, files[0], _options(fields))
    finally:
        for each in files:
            each.path.unlink(missing_ok=True)


async def _multipart(request: Request, desk: Desk) -> tuple[list[Arrived], dict[str, str]]:
    files: list[Arrived] = []
    body = Body(request, desk.folder, desk.limits)
    try:
        async with aclosing(body.files()) as arriving:
            async for arrived in arriving:
                files.append(arrived)  # noqa: PERF401 - they are removed if a later one fails
    except BaseException:
        for each in files:
            each.path.unlink(missing_ok=True)
        raise
    return files, body.fields


def _options(fields: dict[str, str]) -> dict[str, str | None]:
    unknown = set(fields) - set(OPTIONS)
    if unknown:
        name = min(unknown)[:100]
        raise Problem(422, f"unknown field; known are {', '.join(OPTIONS)}", about=name)
    return {name: fields.get(name) or None for name in OPTIONS}


async def _scored(
    request: Request, desk: Desk, arrived: Arrived, options: dict[str, Any]
) -> schemas.Item:
    """Let an image wait for the model, and wait with it."""
    # All that one client asks at a time takes turns with the others, and with the batches.
    lane = f"score for {client_of(request.client.host if request.client else '')}"
    ticket = Ticket(lane=lane, future=Future())
    try:
        row = await asyncio.to_thread(_enter, desk, arrived, options, ticket)
        values = await asyncio.wrap_future(ticket.future)  # cancelled with the request
    except StoppingError as error:
        raise Problem(503, str(error), headers={"Retry-After": str(RETRY_SECONDS)}) from None
    except DataError as error:
        raise Problem(422, str(error), about=arrived.name) from None
    if values["status"] != "done":
        raise Problem(422, values["error"], about=arrived.name)
    if row["id"] is not None:
        return item_reply(await asyncio.to_thread(desk.item, row["id"]))
    return item_reply(row | values)


def _enter(desk: Desk, arrived: Arrived, options: dict[str, Any], ticket: Ticket) -> Row:
    """The row of an image that waits now, stored or not."""
    size = measure(arrived, desk.limits.pixels)
    if options["batch"] is not None:
        if clash := [name for name in ("model", "station", "tile") if options[name] is not None]:
            raise Problem(422, f"{clash[0]}: the batch decides it; leave it out", about=clash[0])
        row = desk.add_item(desk.batch(options["batch"]), arrived, size, ticket=ticket)
    else:
        row = desk.add_visitor(arrived, size, options, ticket=ticket)
    if row is None:
        raise too_busy()
    return row
