"""Errors as answers: ``{"error": {"status", "message", "input"}}``, whatever went wrong."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from faprompt.errors import DataError, FAPromptError, OutputError, StationError

logger = logging.getLogger(__name__)

FULL_DISK = 507
RETRY_SECONDS = 2

T = TypeVar("T")


class Problem(HTTPException):
    """An answer that is an error; raised anywhere below a route.

    FastAPI lets its own kind through where it would hide any other, such as in reading a body.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        about: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.status, self.message, self.about = status, message, about


def not_found(kind: str) -> Problem:
    """Nothing of this name is here, or it belongs to another desk: both look the same."""
    return Problem(404, f"no such {kind}")


def existing(found: T | None, kind: str) -> T:
    """What was looked for.

    Raises:
        Problem: there is none.
    """
    if found is None:
        raise not_found(kind)
    return found


def too_busy(reason: str = "the queue is full") -> Problem:
    """No place just now."""
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return Problem(503, f"{reason}; try again shortly", headers=headers)


def invalid(found: Sequence[Any]) -> Problem:
    """What pydantic found wrong with what was sent: the first of it."""
    where = ".".join(map(str, found[0]["loc"])) or "body"
    return Problem(422, f"{where}: {found[0]['msg']}", about=where)


def answer(problem: Problem) -> JSONResponse:
    """A problem as a response."""
    about = {"status": problem.status, "message": problem.message, "input": problem.about}
    return JSONResponse({"error": about}, problem.status, headers=problem.headers)


def status_of(error: FAPromptError) -> int:
    """The status that says whose fault an error of the library is."""
    if isinstance(error, OutputError):
        return FULL_DISK
    return 422 if isinstance(error, DataError | StationError | ValueError) else 500


def install(app: FastAPI) -> None:
    """Make every error of an application look the same."""

    @app.exception_handler(Problem)
    async def _problem(_: Request, error: Problem) -> Response:
        return answer(error)

    @app.exception_handler(FAPromptError)
    async def _ours(_: Request, error: FAPromptError) -> Response:
        return answer(Problem(status_of(error), str(error)))

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> Response:
        return answer(Problem(error.status_code, str(error.detail), headers=error.headers))

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> Response:
        return answer(invalid(error.errors()))

    @app.exception_handler(ClientDisconnect)
    async def _gone(_: Request, __: ClientDisconnect) -> Response:
        return answer(Problem(400, "the body ended before it was whole"))  # nobody reads it

    @app.exception_handler(Exception)
    async def _fault(request: Request, error: Exception) -> Response:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return answer(Problem(500, "a fault of the service; its log says more"))
