"""Health page: readiness, queues, and the model versions."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from uninote.service.app import health, versions
from uninote.service.console import pages
from uninote.service.errors import ServiceError
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Service
from uninote.service.schemas.health import Ready

router = APIRouter()


@router.get("/console/health", openapi_extra=needs("read"))
async def read(request: Request, service: Service) -> Response:
    """Show the result of the readiness check, as of `/health/ready`."""
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
        calls=service.database_executor.calls,
        versions=await versions.listing(service),
    )
