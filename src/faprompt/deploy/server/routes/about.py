"""What the desk is: health, models, limits, figures, and who is logged in."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from faprompt import __version__
from faprompt.deploy.server import bodies, schemas
from faprompt.deploy.server.desk import DeskHere
from faprompt.deploy.server.keys import COOKIE, SESSION_SECONDS, Keys
from faprompt.deploy.server.metrics import MEDIA_TYPE
from faprompt.deploy.server.problems import FULL_DISK, Problem
from faprompt.deploy.server.statuses import JSON_BODY, errors

router = APIRouter(tags=["about"])
metrics_router = APIRouter(tags=["about"])


@router.get("/health")
def health(desk: DeskHere) -> schemas.Health:
    """Tell that the service works; needs no key."""
    if not desk.worker.alive:
        raise Problem(500, "the thread of the model has ended; start the service again")
    if desk.worker.trouble is not None:
        raise Problem(FULL_DISK, desk.worker.trouble)
    queue = schemas.Queue(waiting=len(desk.queue), limit=desk.queue.limit)
    return schemas.Health(
        status="ok", version=__version__, model=desk.model(None).name, queue=queue
    )


@router.get("/limits")
def limits(desk: DeskHere) -> schemas.LimitsReply:
    """Tell how much the desk takes at once."""
    return schemas.LimitsReply.model_validate(desk.limits, from_attributes=True)


@router.get("/models")
def models(desk: DeskHere) -> schemas.ModelList:
    """List the served models."""
    default = desk.model(None)
    found = [
        schemas.Model(
            id=model.id,
            name=model.name,
            sha256=model.sha256,
            backbone=model.identity["backbone"],
            input_size=model.identity["input_size"],
            references=model.references,
            default=model is default,
        )
        for model in desk.models.values()
    ]
    return schemas.ModelList(models=found)


@router.get("/session")
def session(request: Request) -> schemas.SessionReply:
    """Tell whether a key is needed and whether this client gave it; needs no key."""
    keys: Keys = request.app.state.keys
    headers = request.headers
    allowed = keys.allow(headers.get("authorization", ""), headers.get("cookie", ""))
    return schemas.SessionReply(key_needed=keys.needed, logged_in=allowed)


@router.post("/login", status_code=204, responses=errors(*JSON_BODY))
def login(request: Request, given: bodies.Login) -> Response:
    """Give the key once for a session cookie, so that pictures can be shown; needs no key."""
    keys: Keys = request.app.state.keys
    token = keys.log_in(given.key)
    if token is None:
        raise Problem(401, "the API key is wrong")
    answer = Response(status_code=204)
    answer.set_cookie(
        COOKIE,
        token,
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        secure="https" in (request.url.scheme, request.headers.get("x-forwarded-proto")),
    )
    return answer


@router.post("/logout", status_code=204)
def logout(request: Request) -> Response:
    """End this session."""
    keys: Keys = request.app.state.keys
    keys.log_out(request.headers.get("cookie", ""))
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


@metrics_router.get("/metrics", response_class=PlainTextResponse)
def metrics(desk: DeskHere) -> Response:
    """Figures in Prometheus's text format."""
    return Response(desk.metrics.text(), media_type=MEDIA_TYPE)
