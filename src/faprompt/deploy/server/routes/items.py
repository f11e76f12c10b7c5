"""Items: look, label, delete; their pictures."""

from collections.abc import Callable
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Response

from faprompt.deploy.server import bodies, schemas
from faprompt.deploy.server.database import Row
from faprompt.deploy.server.desk import Desk, DeskHere
from faprompt.deploy.server.problems import Problem, not_found
from faprompt.deploy.server.render import Picture, Size
from faprompt.deploy.server.replies import item_reply
from faprompt.deploy.server.statuses import JSON_BODY, errors

router = APIRouter(prefix="/items", tags=["items"])

FIXED = "private, max-age=31536000, immutable"
"""Pictures of a finished item never change."""
IMAGE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {}, "image/jpeg": {}}},
    **errors(404, 409, 422),
}
PNG: dict[int | str, dict[str, Any]] = IMAGE | {200: {"content": {"image/png": {}}}}
Wanted = Annotated[Size, Query(description="thumb: 256 pixels, view: for the screen, or full.")]
Threshold = Annotated[float | None, Query(ge=0, le=1, description="Anomaly value of a pixel.")]
ItemId = Annotated[str, Path(description="Id of an item.")]


@router.get("/{item}", responses=errors(404, 422))
def get_item(item: ItemId, desk: DeskHere) -> schemas.Item:
    """Tell everything of an item: scores, decision, and what they rest on."""
    return item_reply(desk.item(item))


@router.put("/{item}/label", responses=errors(404, *JSON_BODY))
def set_label(item: ItemId, label: bodies.LabelChange, desk: DeskHere) -> schemas.Item:
    """Keep what a person says of an image."""
    row = desk.item(item)
    desk.store.set_labels(row["batch"], [item], label.label)
    return item_reply(desk.item(item))


@router.delete("/{item}", status_code=204, responses=errors(404, 422))
def delete_item(item: ItemId, desk: DeskHere) -> Response:
    """Delete an image and its result."""
    row = desk.item(item)
    desk.store.delete_item(item)
    desk.forget([row])
    return Response(status_code=204)


@router.get("/{item}/image", response_class=Response, responses=IMAGE)
async def image(item: ItemId, desk: DeskHere, size: Wanted = "view") -> Response:
    """The image as it was seen."""
    return await _picture(desk, item, lambda row: desk.renderer.image(row, size), done=False)


@router.get("/{item}/map", response_class=Response, responses=PNG)
async def anomaly_map(item: ItemId, desk: DeskHere, size: Wanted = "view") -> Response:
    """The raw anomaly map: 16-bit grey PNG, value = round(65535 x anomaly)."""
    return await _picture(desk, item, lambda row: desk.renderer.map(row, size))


@router.get("/{item}/overlay", response_class=Response, responses=PNG)
async def overlay(item: ItemId, desk: DeskHere, size: Wanted = "view") -> Response:
    """The heat map over the image, on the colour scale of its model."""
    return await _picture(desk, item, lambda row: desk.renderer.overlay(row, size))


@router.get("/{item}/mask", response_class=Response, responses=PNG)
async def mask(item: ItemId, desk: DeskHere, threshold: Threshold = None) -> Response:
    """Pixels at or above a threshold, white on black; by default where its regions begin."""

    def draw(row: Row) -> Picture:
        return desk.renderer.mask(row, threshold_of(row) if threshold is None else threshold)

    return await _picture(desk, item, draw)


def threshold_of(row: Row) -> float:
    """The value that the item's regions were found at."""
    return float(row["region_threshold"])


async def _picture(
    desk: Desk, item: str, draw: Callable[[Row], Picture], *, done: bool = True
) -> Response:
    """Draw in a thread of few: whoever waits for a place holds no thread."""
    row = await to_thread.run_sync(desk.item, item)
    if done and row["status"] != "done":
        raise Problem(409, f"this image is {row['status']}; there is no map of it (yet)")
    try:
        async with desk.drawing:
            content, media_type = await to_thread.run_sync(draw, row)
    except FileNotFoundError:
        raise not_found("picture") from None
    return Response(content, media_type=media_type, headers={"Cache-Control": FIXED})
