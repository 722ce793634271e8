"""The HTTP API: its routes with their OpenAPI document."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from uninote.service.http import errors
from uninote.service.http.access import access_of
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
    """Return the API without a running service, as the OpenAPI document describes it.

    Raises RuntimeError for a route that declares no role.
    """
    app = FastAPI(
        title="UniNote",
        version=version("uninote"),
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # `routes/health.py` serves the document, to callers with a role
    )
    for router in ROUTERS:
        app.router.routes.extend(router.routes)
    access_of(app.routes)
    errors.install(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, with the security scheme that the routes name."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schemes = {"key": {"type": "http", "scheme": "bearer", "description": "an API key"}}
        document.setdefault("components", {})["securitySchemes"] = schemes
        app.openapi_schema = document
    return app.openapi_schema
