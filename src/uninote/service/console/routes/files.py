"""What pages load: our own style, script and htmx, and stored pictures."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import Response

from uninote.service.console.access import PICTURES
from uninote.service.errors import NotFoundError
from uninote.service.http.routes import notes
from uninote.service.http.routes.dependencies import Service
from uninote.service.schemas.common import Digest

STATIC = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "htmx-LICENSE.txt": "text/plain; charset=utf-8",
    "icon.svg": "image/svg+xml",
}

router = APIRouter()


@router.get("/console/static/{name}")
async def static(name: str) -> Response:
    """A file of the console."""
    if name not in STATIC:
        raise NotFoundError("there is no such file")
    data = files("uninote.service.console").joinpath("static", name).read_bytes()
    return Response(data, media_type=STATIC[name], headers={"Cache-Control": "public, max-age=300"})


@router.get(PICTURES)
async def picture(digest: Digest, service: Service) -> Response:
    """The bytes of a stored picture."""
    answer = await notes.read_picture(digest, service)
    answer.headers["Cache-Control"] = "private, max-age=3600"
    return answer
