"""The OpenAPI document: what FastAPI finds in the routes, and what it cannot see there."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from faprompt.deploy.server.bodies import NewImage, NewImages, ScoreRequest
from faprompt.deploy.server.guards import API, OPEN
from faprompt.deploy.server.keys import COOKIE, Keys

PLACE = "#/components/schemas/{model}"
DESCRIPTION = (
    "Images in, anomaly scores, heat maps, regions and decisions out. One image is scored at once "
    "by POST /api/v1/score; many are sent into a batch and looked at in their turn. Every error is "
    "an ErrorReply."
)
TAGS = {
    "about": "What the desk is, what it takes, and who may ask.",
    "batches": "Many images: sent, followed, exported.",
    "items": "One image of a batch: what is known of it, its pictures, its label.",
    "stations": "Thresholds for OK, UNSURE and NG, made from labels.",
    "score": "One image, now.",
}
SCHEMES = {
    "key": {"type": "http", "scheme": "bearer", "description": "The API key of the desk."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "What POST /api/v1/login gives for the key.",
    },
}
BY_HAND = (NewImage, NewImages, ScoreRequest)
"""Bodies that are read as they arrive, so that no route's signature tells of them."""
LOGIN = f"{API}/login"
"""Open, and yet it answers 401: to a wrong key."""


class Documented(FastAPI):
    """An application that describes itself in full; ``state.keys`` says who may ask."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            found = super().openapi()
            _, bodies = models_json_schema(
                [(body, "validation") for body in BY_HAND], ref_template=PLACE
            )
            found["components"]["schemas"] |= bodies["$defs"]
            _tell_keys(found, self.state.keys)
        return super().openapi()


def operation_id(route: APIRoute) -> str:
    """What programs made from the document call a route."""
    return route.name


def reference(body: type) -> dict[str, str]:
    """Refers to one of the bodies described by hand."""
    return {"$ref": PLACE.format(model=body.__name__)}


def tags() -> list[dict[str, str]]:
    """What the groups of routes are for."""
    return [{"name": name, "description": text} for name, text in TAGS.items()]


def _tell_keys(document: dict[str, Any], keys: Keys) -> None:
    """Say where a key is needed: everywhere but at the open routes, if the desk has one."""
    document["components"]["securitySchemes"] = SCHEMES
    either: list[dict[str, list[str]]] = [{name: []} for name in SCHEMES]
    document["security"] = either if keys.needed else [*either, {}]
    for path in OPEN:
        for operation in document["paths"][path].values():
            operation["security"] = []
            if path != LOGIN:
                del operation["responses"]["401"]
