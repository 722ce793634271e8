"""Responses other than JSON: pictures and files of lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from fastapi import Response
from fastapi.responses import StreamingResponse

from uninote.corpus.formats import FORMATS, HEIC, format_of

JSONL = "application/x-ndjson"
PICTURES = {form: f"image/{form.lower()}" for form in (*FORMATS, HEIC)}


def picture(data: bytes, cache_control: str = "private") -> Response:
    """Return the bytes of a stored picture, with headers that keep browsers from rendering it as a page."""
    kind = PICTURES.get(format_of(data), "application/octet-stream")
    headers = {"Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": cache_control}
    return Response(data, media_type=kind, headers=headers)


def job_hits(job_id: int, form: Literal["jsonl", "csv"], lines: Iterator[str]) -> StreamingResponse:
    """Return the hits of a job as a download."""
    name = f"attachment; filename=job-{job_id}.{form}"
    kind = JSONL if form == "jsonl" else "text/csv"
    return StreamingResponse(lines, media_type=kind, headers={"Content-Disposition": name})
