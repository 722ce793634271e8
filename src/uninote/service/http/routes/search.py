"""Route of search over the stored notes."""

from __future__ import annotations

from fastapi import APIRouter

from uninote.service.app import search
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Service
from uninote.service.http.errors import RESPONSES
from uninote.service.schemas.search import SearchAnswer, SearchRequest

router = APIRouter(tags=["search"], responses=RESPONSES)


@router.post("/v1/search", openapi_extra=needs("read"))
async def search_notes(body: SearchRequest, service: Service) -> SearchAnswer:
    """Find stored notes by text, pictures, a video, a note, a stored note or a gallery sample."""
    return await search.search_notes(service, body)
