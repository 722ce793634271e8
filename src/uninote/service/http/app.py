"""The application: routes behind the guard, and a runtime that lives as long as it does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from uninote.service.app import ingest_notes
from uninote.service.app.services import Runtime
from uninote.service.background.redis_stream import ACTOR
from uninote.service.console.app import Console
from uninote.service.http import errors
from uninote.service.http.access import needed
from uninote.service.http.fast_path import direct_routes
from uninote.service.http.middleware import Guard, check_complete
from uninote.service.http.routes import (
    embeddings,
    explanations,
    gallery,
    health,
    jobs,
    keys,
    notes,
    reviews,
    search,
    thresholds,
    versions,
)

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    notes.router,
    search.router,
    explanations.router,
    embeddings.router,
    gallery.router,
    thresholds.router,
    reviews.router,
    jobs.router,
    versions.router,
    keys.router,
)
_DESCRIPTION = (
    "One embedding per item: notes are stored, searched and matched against a gallery. Every route but the "
    "health checks takes an API key as `Authorization: Bearer`. Every error has one envelope."
)


def routes() -> FastAPI:
    """The routes alone, without a service behind them: what the OpenAPI file describes.

    Raises RuntimeError for a route that the access table does not know.
    """
    app = FastAPI(
        title="UniNote",
        version=version("uninote"),
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    for router in ROUTERS:
        app.router.routes.extend(router.routes)
    errors.install(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    missing = check_complete(app.routes)
    if missing:
        raise RuntimeError(f"routes without a role in access.py: {missing}")
    return app


def create_app(open_runtime: Callable[[], Runtime]) -> FastAPI:
    """The application of one process. `open_runtime` is called when it starts; the runtime closes with it."""
    app = routes()
    runtime = open_runtime()
    app.state.runtime = runtime

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        runtime.start(lambda notes: ingest_notes.store(runtime, notes, ACTOR))
        try:
            yield
        finally:
            await runtime.close()

    app.router.lifespan_context = lifespan
    app.add_middleware(Guard, runtime=runtime, routes=app.routes, direct=direct_routes(app.routes, runtime))
    app.add_middleware(Console, runtime=runtime)
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The document, with the key and the errors that every guarded operation has in common."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schemes = {"key": {"type": "http", "scheme": "bearer", "description": "an API key"}}
        document.setdefault("components", {})["securitySchemes"] = schemes
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                role = _role(method.upper(), path)
                if role != "public":
                    operation["security"] = [{"key": []}]
                    operation["x-role"] = role
        app.openapi_schema = document
    return app.openapi_schema


def _role(method: str, path: str) -> str:
    for pattern in (path, path.replace("}", ":path}")):
        if role := needed(method, pattern):
            return role
    raise RuntimeError(f"{method} {path} has no role")
