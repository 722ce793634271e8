"""Error envelope of the API, and the status of each error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from uninote.errors import StoreError, UniNoteError
from uninote.service.errors import (
    BusyError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    PreconditionError,
    ServiceError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
    UnsupportedError,
)


class SlowBodyError(ServiceError):
    """The body did not arrive in time (408)."""

    code = "timeout"


_STATUS: dict[type, int] = {
    UnauthorizedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    SlowBodyError: 408,
    ConflictError: 409,
    PreconditionError: 412,
    TooLargeError: 413,
    UnsupportedError: 415,
    BusyError: 429,
    UnavailableError: 503,
    StoreError: 503,
}
_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 408: "timeout", 500: "internal"}
RETRY_SECONDS = 5


class Problem(BaseModel):
    """One thing that is wrong with a request."""

    where: str = Field(description="path of the field, e.g. `body.notes.0.id`")
    message: str


class ErrorBody(BaseModel):
    code: str = Field(description="stable, for programs")
    message: str = Field(description="what is wrong and how to fix it, for people")
    request_id: str
    problems: list[Problem] = Field(default=[], description="each bad field of a 422")


class ErrorEnvelope(BaseModel):
    """Body of every error response."""

    error: ErrorBody


_MEANINGS = {
    400: "The request cannot be read.",
    401: "The API key is missing, unknown or revoked.",
    403: "The role of the key is not enough.",
    404: "Nothing is stored under that name.",
    408: "The request body took too long to arrive.",
    409: "The request contradicts what is stored.",
    413: "The request, a picture or a video is too large.",
    415: "The content type or the format of a picture or video is not taken.",
    422: "A value is missing, of the wrong type or out of range.",
    429: "A queue is full or the rate limit is reached; `Retry-After` says when to come back.",
    503: "The service or its database cannot answer; `Retry-After` says when to come back.",
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorEnvelope, "description": meaning} for status, meaning in _MEANINGS.items()
}


def status_of(error: UniNoteError) -> int:
    """Return the HTTP status of an error: the one of its nearest class in the table, else 422."""
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 422)


def envelope(
    status: int,
    code: str,
    message: str,
    request_id: str,
    *,
    problems: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return an error as a response."""
    body = {
        "code": code,
        "message": printable(message),
        "request_id": request_id,
        "problems": [{name: printable(text) for name, text in one.items()} for one in problems],
    }
    return JSONResponse({"error": body}, status, headers=dict(headers or {}))


def answer(error: UniNoteError, request_id: str) -> JSONResponse:
    """Return the response of an error of the service."""
    status = status_of(error)
    headers = retry_after(error)
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="uninote"'
    return envelope(status, error.code, str(error), request_id, headers=headers)


def retry_after(error: UniNoteError) -> dict[str, str]:
    """Return the header `Retry-After` for a temporary error, else nothing."""
    if isinstance(error, BusyError):
        return {"Retry-After": str(max(1, math.ceil(error.seconds)))}
    return {"Retry-After": str(RETRY_SECONDS)} if status_of(error) == 503 else {}


def printable(text: str) -> str:
    """Return text that can be encoded: a lone surrogate of a field's name becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def install(app: FastAPI) -> None:
    """Make every error of a route answer with the envelope."""

    @app.exception_handler(UniNoteError)
    async def _domain(request: Request, error: UniNoteError) -> JSONResponse:
        return answer(error, request.state.request_id)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        found = error.errors()
        request_id = request.state.request_id
        if any(problem["type"] == "json_invalid" for problem in found):
            return envelope(400, "bad_json", "the body is not valid JSON", request_id)
        problems = [
            {"where": ".".join(str(step) for step in problem["loc"]), "message": problem["msg"]}
            for problem in found[:50]
        ]
        first = problems[0] if problems else {"where": "body", "message": "invalid"}
        message = f"{first['where']}: {first['message']}"
        return envelope(422, "invalid", message, request_id, problems=problems)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        code = _HTTP_CODES.get(error.status_code, "bad_request")
        return envelope(
            error.status_code, code, str(error.detail), request.state.request_id, headers=error.headers
        )
