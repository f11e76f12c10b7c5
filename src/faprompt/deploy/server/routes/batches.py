"""Batches: make, fill, follow, cancel, compare, delete."""

import asyncio
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.responses import StreamingResponse

from faprompt.deploy.server import bodies, schemas
from faprompt.deploy.server.database import Row
from faprompt.deploy.server.desk import Desk, DeskHere
from faprompt.deploy.server.document import reference
from faprompt.deploy.server.exports import EXPORTS, Sources
from faprompt.deploy.server.intake import is_json, json_images, measure
from faprompt.deploy.server.names import download_name
from faprompt.deploy.server.problems import RETRY_SECONDS, too_busy
from faprompt.deploy.server.replies import batch_reply, item_reply
from faprompt.deploy.server.statuses import JSON_BODY, errors
from faprompt.deploy.server.uploads import Arrived, Body
from faprompt.errors import FAPromptError

router = APIRouter(prefix="/batches", tags=["batches"])

IMAGES = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "The images.",
                        }
                    },
                }
            },
            "application/json": {"schema": reference(bodies.NewImages)},
        },
    }
}
"""Of uploads, which are read as they arrive and so described by hand."""
EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {"content": {made.media_type: {} for made in EXPORTS.values()}}
}
BatchId = Annotated[str, Path(description="Id of a batch.")]
Form = Annotated[
    Literal["csv", "labels", "jsonl", "coco", "html"],
    Query(alias="format", description="What to write; labels is for `faprompt review`."),
]
After = Annotated[int, Query(ge=0, le=2**62, description="The last change number that was seen.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="Items at once.")]
Polygons = Annotated[bool, Query(description="With the outlines of regions.")]
Unique = Annotated[
    bool, Query(description="A file that the batch has under this name is not added again.")
]


@router.get("")
def list_batches(desk: DeskHere) -> schemas.BatchList:
    """List all batches, the newest first."""
    return schemas.BatchList(batches=[batch_reply(row) for row in desk.store.batches()])


@router.post("", status_code=201, responses=errors(404, *JSON_BODY))
def make_batch(new: bodies.NewBatch, desk: DeskHere) -> schemas.Batch:
    """Make a batch, which images can then be sent to."""
    model = desk.model(new.model)
    station = desk.station_for(new.station, model, new.tile)
    if new.images_of is not None:
        desk.batch(new.images_of)
    batch = desk.store.add_batch(new.name, model=model.id, station=station, tile=new.tile)
    if new.images_of is not None:
        desk.copy_images(new.images_of, batch)
    return batch_reply(desk.batch(batch))


@router.get("/{batch}", responses=errors(404, 422))
def get_batch(batch: BatchId, desk: DeskHere) -> schemas.Batch:
    """Tell how far a batch is."""
    return batch_reply(desk.batch(batch))


@router.patch("/{batch}", responses=errors(404, *JSON_BODY))
def change_batch(batch: BatchId, change: bodies.BatchChange, desk: DeskHere) -> schemas.Batch:
    """Rename a batch, or let its images be judged by another station."""
    row = desk.batch(batch)
    if change.name is not None:
        desk.store.rename_batch(batch, change.name)
    if "station" in change.model_fields_set:
        station = desk.station_for(change.station, desk.model(row["model"]), row["tile"])
        desk.judge.again(batch, station)
    return batch_reply(desk.batch(batch))


@router.post("/{batch}/cancel", responses=errors(404, 422))
def cancel_batch(batch: BatchId, desk: DeskHere) -> schemas.Batch:
    """Cancel the images that wait; those at the model are finished."""
    desk.batch(batch)
    desk.queue.remove(batch)
    desk.store.cancel_batch(batch)
    return batch_reply(desk.batch(batch))


@router.delete("/{batch}", status_code=204, responses=errors(404, 422))
def delete_batch(batch: BatchId, desk: DeskHere) -> Response:
    """Delete a batch with its images and results."""
    desk.batch(batch)
    desk.queue.remove(batch)
    desk.forget(desk.store.delete_batch(batch))
    return Response(status_code=204)


@router.get("/{batch}/items", responses=errors(404, 422))
def list_items(
    batch: BatchId,
    *,
    desk: DeskHere,
    after: After = 0,
    limit: Limit = 500,
    polygons: Polygons = False,
) -> schemas.ItemChanges:
    """List the items that changed since; ask again with the answer's ``change``."""
    desk.batch(batch)
    rows = desk.store.changed(batch, after, limit)
    change = rows[-1]["change"] if rows else after
    items = [item_reply(row, polygons=polygons) for row in rows]
    return schemas.ItemChanges(change=change, items=items, more=len(rows) == limit)


@router.put("/{batch}/labels", responses=errors(404, *JSON_BODY))
def set_labels(batch: BatchId, change: bodies.LabelsChange, desk: DeskHere) -> schemas.ItemList:
    """Keep what a person says of several images; items of other batches are left alone."""
    desk.batch(batch)
    desk.store.set_labels(batch, change.items, change.label)
    wanted = set(change.items)
    rows = (row for row in desk.store.items(batch) if row["id"] in wanted)
    return schemas.ItemList(items=[item_reply(row, polygons=False) for row in rows])


@router.post(
    "/{batch}/images",
    status_code=202,
    openapi_extra=IMAGES,
    responses=errors(400, 404, 415, 422),
)
async def send_images(
    batch: BatchId, *, request: Request, response: Response, desk: DeskHere, unique: Unique = False
) -> schemas.UploadReply:
    """Send images; each waits for the model as soon as it has arrived.

    They come as multipart (``files``) or within JSON (``images`` in base64). A file that is not an
    image is rejected by name and costs the others nothing.
    """
    row = await asyncio.to_thread(desk.batch, batch)
    if desk.queue.full:
        raise too_busy()
    reply = schemas.UploadReply(items=[], rejected=[])
    if is_json(request):
        coming = json_images(request, desk)
    else:
        coming = Body(request, desk.folder, desk.limits).files()
    async with aclosing(coming) as files:
        async for arrived in files:
            result = await asyncio.to_thread(_take_in, arrived, row, desk, unique=unique)
            if isinstance(result, schemas.Accepted):
                reply.items.append(result)
            else:
                reply.rejected.append(result)
    if any(each.retry for each in reply.rejected):
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return reply


def _take_in(
    arrived: Arrived, batch: Row, desk: Desk, *, unique: bool
) -> schemas.Accepted | schemas.Rejected:
    """Keep a file and let it wait; one of three things may speak against it."""
    name = arrived.name
    try:
        width, height = measure(arrived, desk.limits.pixels)
        known = desk.store.known(batch["id"], name, arrived.sha256) if unique else None
        item = known or desk.add_item(batch, arrived, (width, height))
    except FAPromptError as error:
        return schemas.Rejected(name=name, message=str(error), retry=False)
    finally:
        arrived.path.unlink(missing_ok=True)
    if item is None:
        return schemas.Rejected(name=name, message="the queue is full", retry=True)
    return schemas.Accepted(id=item["id"], name=name, status=item["status"])


@router.get("/{batch}/compare", responses=errors(404, 422))
def compare(
    batch: BatchId, desk: DeskHere, other: Annotated[str, Query(description="Id of a batch.")]
) -> schemas.Comparison:
    """Join two batches by the content of their images."""
    first, second = desk.batch(batch), desk.batch(other)
    rows = [_pair(row, same) for row, same in desk.store.shared(batch, other)]
    return schemas.Comparison(batch=batch_reply(first), other=batch_reply(second), rows=rows)


@router.get("/{batch}/export", response_class=Response, responses=EXPORTED | errors(404, 422))
def export(batch: BatchId, desk: DeskHere, form: Form) -> StreamingResponse:
    """Download a batch: csv, labels (for `faprompt review`), jsonl, coco, or one HTML page."""
    row, made = desk.batch(batch), EXPORTS[form]
    name = download_name(row["name"], made.ending)
    sources = Sources(renderer=desk.renderer, stations=desk.stations)
    return StreamingResponse(
        made.write(row, desk.store.items(batch), sources),
        media_type=made.media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _pair(row: Row, other: Row) -> schemas.CompareRow:
    values: dict[str, Any] = {
        name: row[name] for name in ("sha256", "name", "label", "image_score")
    }
    return schemas.CompareRow(
        **values,
        item=row["id"],
        other_item=other["id"],
        other_image_score=other["image_score"],
    )
