"""Files that pages load: our own style, script and htmx, and stored pictures."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.staticfiles import StaticFiles

from uninote.service.app import search_inputs
from uninote.service.console.access import PICTURES
from uninote.service.http import responses
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Service
from uninote.service.schemas.common import Digest

FILES = StaticFiles(directory=Path(__file__).parents[1] / "static", check_dir=False)

router = APIRouter()


@router.get("/console/static/{name}", openapi_extra=needs("public"))
async def static(name: str, request: Request) -> Response:
    """Return a static file of the console."""
    answer = await FILES.get_response(name, request.scope)
    answer.headers["Cache-Control"] = "public, max-age=300"
    return answer


@router.get(PICTURES, openapi_extra=needs("read"))
async def picture(digest: Digest, service: Service) -> Response:
    """Return the bytes of a stored picture, or of one that was searched with."""
    data = await search_inputs.read(service, digest, "picture")
    return responses.picture(data, "private, max-age=3600")
