"""Which errors a route may answer with: the OpenAPI document names them one by one."""

from typing import Any

from faprompt.deploy.server.schemas import ErrorReply

MEANINGS = {
    400: "The body is not what it says it is.",
    401: "The API key is missing or wrong.",
    403: "Without a key only this machine is served, and no page of another site.",
    404: "There is no such batch, item, station or model.",
    408: "The body did not arrive in time.",
    409: "It cannot be done in this state; the message says what stands in the way.",
    413: "More than the desk takes at once.",
    415: "The body is of another type.",
    422: "A value is not what it should be; `input` names it.",
    500: "A fault of the service; its log says more.",
    503: "Too busy; `Retry-After` says when to try again.",
    504: "The request took too long.",
    507: "The disk is full.",
}
EVERYWHERE = (401, 403, 408, 413, 500, 503, 504, 507)
"""What every route of the desk may answer with."""
JSON_BODY = (400, 422)
"""And those that read JSON."""


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Answers that are errors, as FastAPI wants to be told of them."""
    return {
        status: {"model": ErrorReply, "description": MEANINGS[status]}
        for status in sorted(statuses)
    }
