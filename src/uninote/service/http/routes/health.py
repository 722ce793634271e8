"""Routes of liveness, readiness, metrics, and the OpenAPI document."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from uninote.service.app import health
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Service
from uninote.service.http.errors import RESPONSES
from uninote.service.schemas.health import Live, Ready
from uninote.service.telemetry.metrics import CONTENT_TYPE

_PAGE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

router = APIRouter(tags=["health"])


@router.api_route(
    "/openapi.json", methods=["GET", "HEAD"], include_in_schema=False, openapi_extra=needs("read")
)
async def document(request: Request) -> JSONResponse:
    """Return the OpenAPI document."""
    return JSONResponse(request.app.openapi())


@router.get("/health/live", openapi_extra=needs("public"))
async def live() -> Live:
    """Report that the process runs. Use `/health/ready` to check that it can answer."""
    return Live()


@router.get("/health/ready", responses={503: RESPONSES[503]}, openapi_extra=needs("public"))
async def ready(service: Service) -> Ready:
    """Check a forward pass and the database. Answers 503 while the service starts, drains or is broken."""
    return await health.ready(service)


@router.get(
    "/metrics", response_class=Response, responses={**RESPONSES, **_PAGE}, openapi_extra=needs("read")
)
async def metrics(service: Service) -> Response:
    """Return the metrics in Prometheus' text format."""
    return Response(service.metrics.page(), media_type=CONTENT_TYPE)
