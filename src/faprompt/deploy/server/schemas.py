"""The objects that the desk answers with; what is here is what the OpenAPI document says.

The text below a field is its description there; what several objects have is described once.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from faprompt.deploy.server.terms import (
    ImageHash,
    ImageName,
    Label,
    Made,
    ModelHash,
    ModelId,
    Score,
    StationId,
    Status,
    Tile,
    Verdict,
)


class Reply(BaseModel):
    """What the desk says."""

    model_config = ConfigDict(protected_namespaces=(), use_attribute_docstrings=True)


class ErrorInfo(Reply):
    """Why a request failed."""

    status: int
    """The HTTP status."""
    message: str
    """What is wrong and what to do, for people."""
    input: str | None
    """The field or file that it is about; null: the request as a whole."""


class ErrorReply(Reply):
    """The body of every error."""

    error: ErrorInfo
    """What is wrong."""


class Queue(Reply):
    """The queue before the model."""

    waiting: int
    """Images."""
    limit: int
    """Of them; beyond it the answer is 503."""


class MissRate(Reply):
    """Anomalous images below a threshold, with the exact 95 % interval of the share."""

    images: int
    """Anomalous images in all."""
    missed: int
    """Of them below the threshold."""
    rate: float
    """Their share."""
    low: float
    """Lower end of its interval."""
    high: float
    """Upper end of its interval."""


class Station(Reply):
    """Thresholds of one product, and what they promise."""

    id: str
    """Names it in requests."""
    name: str
    """Of the product."""
    model: str | None
    """Id of the served model; null where it is not served."""
    model_sha256: ModelHash
    sha256: str
    """Of its file."""
    settings: dict[str, Any]
    """What else changes scores, such as windows."""
    created: Made
    false_alarms: float
    """Share of normal images that may be NG."""
    review_rate: float
    """Share of normal images that may be NG or UNSURE."""
    confidence: float | None
    """With which the shares hold for this station; null: on average over calibrations."""
    threshold: float
    """NG at or above."""
    review_threshold: float
    """UNSURE from here up to the threshold."""
    pixel_threshold: float
    """Pixels are abnormal at or above."""
    images: int
    """Normal images that it was made from."""
    anomalous_images: int
    """Anomalous images that tested it."""
    miss_rates: dict[str, MissRate]
    """Of anomalous images: not_ng, ok; empty without any."""


class StationList(Reply):
    """All stations."""

    stations: list[Station]
    """Those given at the start, then the newest first."""


class Health(Reply):
    """The service works."""

    status: Literal["ok"]
    """Anything else is an error and not this object."""
    version: str
    """Of faprompt."""
    model: str
    """Name of the default model."""
    queue: Queue
    """What waits for it."""


class LimitsReply(Reply):
    """What the desk takes at once."""

    file_bytes: int
    """Of one image file."""
    request_bytes: int
    """Of a whole request."""
    files: int
    """In one request."""
    pixels: int
    """Width times height of one image."""
    waiting: int
    """Images in the queue."""
    request_seconds: float
    """From the first byte of a request to the last of its answer."""


class SessionReply(Reply):
    """Whether a key is needed, and whether this client gave it."""

    key_needed: bool
    """Whether the desk has a key."""
    logged_in: bool
    """Whether this request carried it, or a session's cookie; true where none is needed."""


class Model(Reply):
    """A served model."""

    id: str
    """Names it in requests; so does its name."""
    name: str
    """As ``--model`` had it."""
    sha256: str
    """Of its files and references."""
    backbone: str
    """The CLIP model below it."""
    input_size: int
    """Side in pixels of the square that it sees an image or a window as."""
    references: int
    """Good images that it compares with; 0: zero-shot."""
    default: bool
    """Whether it scores where no model is named."""


class ModelList(Reply):
    """All served models."""

    models: list[Model]
    """The default one first."""


class Counts(Reply):
    """Items of a batch by status."""

    waiting: int
    """Before the model."""
    running: int
    """At the model."""
    done: int
    """Scored."""
    failed: int
    """Not usable; each item's ``error`` says why."""
    cancelled: int
    """Never looked at."""


class Batch(Reply):
    """A batch of images."""

    id: str
    """Names it in requests."""
    name: str
    """For people."""
    model: ModelId
    station: StationId
    tile: Tile
    created: Made
    status: Literal["open", "running", "done", "cancelled"]
    """Open: without an image so far; running: some wait or are looked at."""
    counts: Counts
    """How far it is."""
    images_per_second: float | None
    """Over the last 50 finished images."""
    trouble: str | None = None
    """Why nothing is scored just now, such as a full disk."""
    change: int
    """Number of the last change of one of its items; 0: none yet."""


class BatchList(Reply):
    """All batches, the newest first."""

    batches: list[Batch]
    """The newest first."""


class Decision(Reply):
    """What the station says."""

    verdict: Verdict
    """OK below the review threshold, NG from the threshold on, UNSURE between."""
    margin: float
    """Distance of the score from the next other verdict."""


class Region(Reply):
    """Connected pixels of the map at or above the threshold."""

    polygon: list[tuple[float, float]] | None = None
    """Closed outline in pixels; left out in lists unless asked for."""
    box: tuple[int, int, int, int]
    """x, y, width, height in pixels."""
    area: int
    """Pixels."""
    area_mm2: float | None
    """Null: the desk is not told the size of a pixel."""
    peak: float
    """Largest value of the map within."""
    mean: float
    """Mean of the map within."""
    prompts: list[tuple[int, float]]
    """Abnormality prompts and their shares of the response, largest first."""


class Item(Reply):
    """One image and what is known of it."""

    id: str | None
    """Names it in requests; null where nothing was stored."""
    batch: str | None
    """Id of its batch; null where nothing was stored."""
    name: ImageName
    sha256: ImageHash
    status: Status
    error: str | None = None
    """Why it failed."""
    image_score: Score = None
    decision: Decision | None = None
    """Of the station; null without one."""
    label: Label = None
    width: int
    """Of the image in pixels, upright."""
    height: int
    """Of the image in pixels, upright."""
    milliseconds: float | None = None
    """Its share of the model's time; reading it is not counted."""
    regions: list[Region] = []
    """Largest peak first, 100 at most."""
    region_threshold: float | None = None
    """Value of the map at and above which pixels make regions."""
    pixel_max: float | None = None
    """Largest value of the map."""
    colour_limits: tuple[float, float] | None = None
    """Values of the map at which the heat map's colour starts and is full."""
    model: ModelId
    model_sha256: ModelHash
    station: StationId = None
    created: Made


class ItemList(Reply):
    """Some items."""

    items: list[Item]
    """In the order in which they were sent."""


class ItemChanges(Reply):
    """Items that changed since; ask again with ``change``."""

    change: int
    """Number of the last change told; the ``after`` of the next question."""
    items: list[Item]
    """In the order of their changes."""
    more: bool
    """Whether to ask again at once."""


class Accepted(Reply):
    """An image that waits now."""

    id: str
    """Of its item."""
    name: ImageName
    status: Status


class Rejected(Reply):
    """A file that is not usable, or for which there was no place."""

    name: ImageName
    message: str
    """Why, for its sender."""
    retry: bool
    """The queue was full: send this file again."""


class UploadReply(Reply):
    """What became of the files of a request."""

    items: list[Accepted]
    """What waits now."""
    rejected: list[Rejected]
    """What does not; it costs the others nothing."""


class CompareRow(Reply):
    """One image in two batches."""

    sha256: ImageHash
    name: ImageName
    label: Label
    item: str
    """Its id in the one batch."""
    other_item: str
    """Its id in the other."""
    image_score: Score
    other_image_score: Score


class Comparison(Reply):
    """Images that two batches share."""

    batch: Batch
    """The one."""
    other: Batch
    """The other."""
    rows: list[CompareRow]
    """An image each."""
