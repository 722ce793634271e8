"""Sign-in page for API keys, and sign-out."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from uninote.service.app import keys
from uninote.service.console import forms, pages
from uninote.service.console.access import HOME, SIGN_IN
from uninote.service.console.forms import Form
from uninote.service.console.sessions import COOKIE, HOURS, VISITOR, Sessions, visitor
from uninote.service.errors import UnauthorizedError
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Service

_LOCAL = re.compile(r"/(console/[\w/-]*)?(\?[\x21-\x5b\x5d-\x7e]*)?")
_VISITOR = re.compile(r"[A-Za-z0-9_-]{32}")

router = APIRouter()
Next = Annotated[str, Query(max_length=16_384)]
"""Page to come back to; the address of a search holds a text of some thousand characters."""


@router.get(SIGN_IN, openapi_extra=needs("public"))
async def form(request: Request, next: Next = HOME) -> Response:
    """Show the sign-in form."""
    return _form(request, next)


@router.post(SIGN_IN, openapi_extra=needs("public"))
async def enter(request: Request, sent: Form, service: Service) -> Response:
    """Begin a session; the key is verified and not kept."""
    sessions: Sessions = request.app.state.sessions
    target = forms.text(sent, "next")
    try:
        key = await keys.verified(service, forms.text(sent, "key"))
    except UnauthorizedError:
        return _form(request, target, "This key is unknown or revoked.")
    service.log.info("signed in", key=key.prefix)
    answer = RedirectResponse(local(target), 303)
    _set(request, answer, COOKIE, sessions.begin(key.prefix, key.secret_hash), HOURS * 3600)
    answer.delete_cookie(VISITOR, path=SIGN_IN)
    return answer


@router.post("/console/sign-out", openapi_extra=needs("read"))
async def leave(request: Request) -> Response:
    """End the session of this browser."""
    answer = RedirectResponse(SIGN_IN, 303)
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return answer


def local(target: str) -> str:
    """Return `target` if it is a page of the console, else the home page."""
    return target if _LOCAL.fullmatch(target) else HOME


def _form(request: Request, target: str, wrong: str = "") -> Response:
    sessions: Sessions = request.app.state.sessions
    known = request.state.cookies.get(VISITOR, "")
    cookie = known if _VISITOR.fullmatch(known) else visitor()
    request.scope["state"]["form_token"] = sessions.form_token(cookie)
    status = 401 if wrong else 200
    answer = pages.render(request, "sign_in.html", status, next=local(target), wrong=wrong)
    _set(request, answer, VISITOR, cookie, 3600, path=SIGN_IN)
    return answer


def _set(request: Request, answer: Response, name: str, value: str, seconds: int, path: str = "/") -> None:
    secure = request.url.scheme == "https"
    answer.set_cookie(
        name, value, max_age=seconds, path=path, secure=secure, httponly=True, samesite="strict"
    )
