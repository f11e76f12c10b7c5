"""The objects of the API; what is here is what the OpenAPI document says."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=200)]
Id = Annotated[str, Field(min_length=1, max_length=100)]
Status = Literal["waiting", "running", "done", "failed", "cancelled"]
Label = Literal["ok", "ng"]
Verdict = Literal["OK", "UNSURE", "NG"]


class Request(BaseModel):
    """What clients send; unknown fields are refused, or a typing error would go unseen."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Reply(BaseModel):
    """What the desk says."""

    model_config = ConfigDict(protected_namespaces=())


class ErrorInfo(Reply):
    """Why a request failed."""

    status: int
    message: str
    input: str | None


class ErrorReply(Reply):
    """The body of every error."""

    error: ErrorInfo


class Queue(Reply):
    """The queue before the model."""

    waiting: int
    limit: int


class MissRate(Reply):
    """Anomalous images below a threshold, with the exact 95 % interval of the share."""

    images: int
    missed: int
    rate: float
    low: float
    high: float


class Station(Reply):
    """Thresholds of one product, and what they promise."""

    id: str
    name: str
    model: str | None = Field(description="Id of the served model; null where it is not served.")
    model_sha256: str
    sha256: str = Field(description="Of its file.")
    settings: dict[str, Any] = Field(description="What else changes scores, such as windows.")
    created: str
    false_alarms: float
    review_rate: float
    confidence: float | None
    threshold: float = Field(description="NG at or above.")
    review_threshold: float = Field(description="UNSURE from here up to the threshold.")
    pixel_threshold: float = Field(description="Pixels are abnormal at or above.")
    images: int = Field(description="Normal images that it was made from.")
    anomalous_images: int
    miss_rates: dict[str, MissRate] = Field(
        description="Of anomalous images: not_ng, ok; empty without any."
    )


class StationList(Reply):
    """All stations."""

    stations: list[Station]


Share = Annotated[float, Field(gt=0, lt=1)]


class NewStation(Request):
    """A station to be made from labelled images, all of a batch or the named ones."""

    name: Name
    batch: Id | None = None
    items: Annotated[list[Id], Field(max_length=100_000)] | None = None
    model: Id | None = Field(default=None, description="Id or name; none is that of the images.")
    false_alarms: Share = 0.01
    review_rate: Share | None = Field(
        default=None, description="Null: ten times the false alarms, at most one half."
    )
    confidence: Share | None = Field(
        default=None, description="Null: the shares hold on average over calibrations."
    )


class Health(Reply):
    """The service works."""

    status: Literal["ok"]
    version: str
    model: str
    queue: Queue


class LimitsReply(Reply):
    """What the desk takes at once."""

    file_bytes: int
    request_bytes: int
    files: int
    pixels: int
    waiting: int
    request_seconds: float


class SessionReply(Reply):
    """Whether a key is needed, and whether this client gave it."""

    key_needed: bool
    logged_in: bool


class Login(Request):
    """The API key, once, for a session cookie."""

    key: str = Field(max_length=1000)


class Model(Reply):
    """A served model."""

    id: str
    name: str
    sha256: str
    backbone: str
    input_size: int
    default: bool


class ModelList(Reply):
    """All served models."""

    models: list[Model]


class NewBatch(Request):
    """A batch to be made."""

    name: Name
    model: Id | None = Field(default=None, description="Id or name; none is the default model.")
    station: Id | None = None
    tile: str | None = Field(default=None, max_length=20, description="Side in pixels, or auto.")
    images_of: Id | None = Field(
        default=None, description="A batch whose images are scored again, labels kept."
    )


class BatchChange(Request):
    """What can be changed of a batch; a field that is left out stays."""

    name: Name | None = None
    station: Id | None = None


class Counts(Reply):
    """Items of a batch by status."""

    waiting: int
    running: int
    done: int
    failed: int
    cancelled: int


class Batch(Reply):
    """A batch of images."""

    id: str
    name: str
    model: str
    station: str | None
    tile: str | None
    created: str
    status: Literal["open", "running", "done", "cancelled"]
    counts: Counts
    images_per_second: float | None = Field(description="Over the last 50 finished images.")
    trouble: str | None = Field(
        default=None, description="Why nothing is scored just now, such as a full disk."
    )
    change: int


class BatchList(Reply):
    """All batches, the newest first."""

    batches: list[Batch]


class Decision(Reply):
    """What the station says."""

    verdict: Verdict
    margin: float = Field(description="Distance of the score from the next other verdict.")


class Region(Reply):
    """Connected pixels of the map at or above the threshold."""

    polygon: list[tuple[float, float]] | None = Field(
        default=None, description="Closed outline in pixels; left out in lists unless asked for."
    )
    box: tuple[int, int, int, int] = Field(description="x, y, width, height in pixels.")
    area: int = Field(description="Pixels.")
    area_mm2: float | None
    peak: float
    mean: float
    prompts: list[tuple[int, float]] = Field(
        description="Abnormality prompts and their shares of the response, largest first."
    )


class Item(Reply):
    """One image and what is known of it."""

    id: str | None = Field(description="None where nothing was stored.")
    batch: str | None
    name: str
    sha256: str
    status: Status
    error: str | None = None
    image_score: float | None = None
    decision: Decision | None = None
    label: Label | None = None
    width: int
    height: int
    milliseconds: float | None = None
    regions: list[Region] = []
    region_threshold: float | None = Field(
        default=None, description="Value of the map at and above which pixels make regions."
    )
    pixel_max: float | None = Field(default=None, description="Largest value of the map.")
    colour_limits: tuple[float, float] | None = None
    model: str
    model_sha256: str
    station: str | None = None
    created: str


class ItemList(Reply):
    """Some items."""

    items: list[Item]


class ItemChanges(Reply):
    """Items that changed since; ask again with ``change``."""

    change: int
    items: list[Item]
    more: bool


class Accepted(Reply):
    """An image that waits now."""

    id: str
    name: str
    status: Status


class Rejected(Reply):
    """A file that is not usable, or for which there was no place."""

    name: str
    message: str
    retry: bool = Field(description="The queue was full: send this file again.")


class UploadReply(Reply):
    """What became of the files of a request."""

    items: list[Accepted]
    rejected: list[Rejected]


class LabelChange(Request):
    """What a person says of an image; null takes it back."""

    label: Label | None


class LabelsChange(Request):
    """What a person says of several images of a batch."""

    items: Annotated[list[Id], Field(max_length=100_000)]
    label: Label | None


class ScoreRequest(Request):
    """One image as text."""

    image: str = Field(description="Base64 of a file's bytes.")
    name: Name = "image"
    model: Id | None = None
    station: Id | None = None
    tile: str | None = Field(default=None, max_length=20)
    batch: Id | None = Field(default=None, description="Keep image and result in this batch.")


class CompareRow(Reply):
    """One image in two batches."""

    sha256: str
    name: str
    label: Label | None
    item: str
    other_item: str
    image_score: float | None
    other_image_score: float | None


class Comparison(Reply):
    """Images that two batches share."""

    batch: Batch
    other: Batch
    rows: list[CompareRow]
