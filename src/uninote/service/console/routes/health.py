"""Whether the service can answer, what waits, and the model versions."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from uninote.service.console import pages
from uninote.service.errors import ServiceError
from uninote.service.http.routes import health, versions
from uninote.service.http.routes.dependencies import Service
from uninote.service.schemas.health import Ready

router = APIRouter()


@router.get("/console/health")
async def read(request: Request, service: Service) -> Response:
    """A real forward pass and a look at the database, as `/health/ready` makes them."""
    ready: Ready | None = None
    problem = ""
    try:
        ready = await health.ready(service)
    except ServiceError as error:
        problem = str(error)
    return pages.render(
        request,
        "health_state.html" if pages.is_fragment(request.scope) else "health.html",
        ready=ready,
        problem=problem,
        waiting=service.batcher.depth,
        calls=service.pool.calls,
        versions=(await versions.list_versions(service)).versions,
    )
