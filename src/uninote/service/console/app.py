"""Console application, in front of the API: it serves `/` and everything below `/console/`."""

from __future__ import annotations

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from uninote.errors import UniNoteError
from uninote.problems import problems_from
from uninote.service.app.noise import Noise
from uninote.service.app.services import Services
from uninote.service.console import pages
from uninote.service.console.forms import check_origin
from uninote.service.console.guard import ConsoleGuard
from uninote.service.console.routes import (
    files,
    gallery,
    health,
    jobs,
    note,
    review,
    samples,
    search,
    sign_in,
    thresholds,
    versions,
    why,
)
from uninote.service.console.sessions import Sessions, secret_of
from uninote.service.errors import InvalidError

ROUTERS: tuple[APIRouter, ...] = (
    sign_in.router,
    files.router,
    search.router,
    note.router,
    review.router,
    why.router,
    gallery.router,
    samples.router,
    thresholds.router,
    jobs.router,
    versions.router,
    health.router,
)


class Console:
    """ASGI middleware: the console's paths go to the pages, all others to the API."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._pages = pages_of(services)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ours = scope["type"] == "http" and (scope["path"] == "/" or scope["path"].startswith("/console/"))
        await (self._pages if ours else self._app)(scope, receive, send)


def pages_of(services: Services) -> FastAPI:
    """Return the pages inside their guard. Raises RuntimeError for a page that declares no role."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(check_origin)])
    for route in (route for router in ROUTERS for route in router.routes):
        assert isinstance(route, APIRoute)
        # Added one by one, so that the application's dependency `check_origin` applies to each.
        app.add_api_route(
            route.path,
            route.endpoint,
            methods=sorted(route.methods or ()),
            response_model=None,
            openapi_extra=route.openapi_extra,
        )
    app.state.services = services
    app.state.noise = Noise(services)
    app.state.choices = search.Choices()
    app.state.sessions = Sessions(secret_of(services.folder))
    _errors_as_pages(app)
    app.add_middleware(ConsoleGuard, services=services, routes=app.routes, sessions=app.state.sessions)
    return app


def _errors_as_pages(app: FastAPI) -> None:
    @app.exception_handler(UniNoteError)
    @app.exception_handler(HTTPException)
    async def _known(request: Request, error: Exception) -> Response:
        return pages.problem(request.scope, error)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> Response:
        first = problems_from(error.errors(), skip=1)[0]
        return pages.problem(request.scope, InvalidError(f"{first.where.partition('.')[2]}: {first.message}"))
