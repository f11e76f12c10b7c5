"""The application, made from a desk: routes, guards around them, and the page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from faprompt import __version__
from faprompt.deploy.server import problems
from faprompt.deploy.server.desk import Desk
from faprompt.deploy.server.document import DESCRIPTION, Documented, operation_id, tags
from faprompt.deploy.server.guards import API, BodyGuard, Doorkeeper, Observer
from faprompt.deploy.server.keys import Keys
from faprompt.deploy.server.reference import reference_page
from faprompt.deploy.server.routes import about, batches, items, score, stations
from faprompt.deploy.server.statuses import EVERYWHERE, errors

PAGE = Path(__file__).parent / "page"


def create_app(desk: Desk, *, key: str | None = None) -> FastAPI:
    """Build the service of one desk.

    Args:
        desk: Not yet open: the application opens it when it starts and closes it when it ends.
        key: The API key; None lets everybody in who is on this machine.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        desk.open()
        try:
            yield
        finally:
            desk.close()

    keys = Keys(key)
    app = Documented(
        title="faprompt desk",
        version=__version__,
        description=DESCRIPTION,
        openapi_tags=tags(),
        generate_unique_id_function=operation_id,
        lifespan=lifespan,
        docs_url=None,  # those pages load scripts from another host
        redoc_url=None,
        responses=errors(*EVERYWHERE),
        middleware=[
            Middleware(Observer, metrics=desk.metrics),
            Middleware(BodyGuard, limits=desk.limits),
            Middleware(Doorkeeper, keys=keys),
        ],
    )
    app.state.desk, app.state.keys = desk, keys
    problems.install(app)
    for module in (about, batches, items, stations, score):
        app.include_router(module.router, prefix=API)
    app.include_router(about.metrics_router)
    _add_reference(app)
    app.mount("/", StaticFiles(directory=PAGE, html=True), name="page")
    return app


def _add_reference(app: FastAPI) -> None:
    @app.get("/docs", include_in_schema=False)
    def reference() -> HTMLResponse:
        return HTMLResponse(reference_page(app.openapi()))
