"""The objects that clients send; the text below a field is its description in the document."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from faprompt.deploy.server.terms import Id, Label, Name, Tile

AskedModel = Annotated[Id | None, Field(description="Id or name; null: the default model.")]
AskedStation = Annotated[Id | None, Field(description="Id of a station; null: no decision.")]
Share = Annotated[float, Field(gt=0, lt=1)]


class Request(BaseModel):
    """What clients send; unknown fields are refused, or a typing error would go unseen."""

    model_config = ConfigDict(
        extra="forbid", protected_namespaces=(), use_attribute_docstrings=True
    )


class NewStation(Request):
    """A station to be made from labelled images, all of a batch or the named ones."""

    name: Name
    """Of the product."""
    batch: Id | None = None
    """All labelled images of this batch; either this or ``items``."""
    items: Annotated[list[Id], Field(max_length=100_000)] | None = None
    """Ids of labelled images; either this or ``batch``."""
    model: Id | None = None
    """Id or name; null: that of the images."""
    false_alarms: Share = 0.01
    """Share of normal images that may be NG."""
    review_rate: Share | None = None
    """Of NG or UNSURE; null: ten times the false alarms, at most one half."""
    confidence: Share | None = None
    """Null: the shares hold on average over calibrations."""


class Login(Request):
    """The API key, once, for a session cookie."""

    key: str = Field(max_length=1000)
    """The API key."""


class NewBatch(Request):
    """A batch to be made."""

    name: Name
    """For people; names may be the same."""
    model: AskedModel = None
    station: AskedStation = None
    tile: Tile = None
    images_of: Id | None = None
    """A batch whose images are scored again, labels kept."""


class BatchChange(Request):
    """What can be changed of a batch; a field that is left out stays."""

    name: Name | None = None
    """Another name; null: the same."""
    station: AskedStation = None


class LabelChange(Request):
    """What a person says of an image; null takes it back."""

    label: Label


class LabelsChange(Request):
    """What a person says of several images of a batch."""

    items: Annotated[list[Id], Field(max_length=100_000)]
    """Their ids; those of other batches are left alone."""
    label: Label


class NewImage(Request):
    """One image as text."""

    image: str
    """Base64 of a file's bytes."""
    name: Name = "image"
    """How it is shown."""


class NewImages(Request):
    """Several images as text."""

    images: list[NewImage]
    """At most as many as the desk takes in one request."""


class ScoreRequest(NewImage):
    """One image as text, and how to score it."""

    model: AskedModel = None
    station: AskedStation = None
    tile: Tile = None
    batch: Id | None = None
    """Keep image and result in this batch, which decides the rest."""
