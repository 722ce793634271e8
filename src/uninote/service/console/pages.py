"""Page rendering: templates with autoescape, and error pages."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Scope

from uninote.errors import UniNoteError
from uninote.service.app.search import PREVIEW_CHARS
from uninote.service.console.sessions import StaleFormError
from uninote.service.domain.base.identity import allows
from uninote.service.http.errors import printable, retry_after, status_of
from uninote.service.http.middleware import FAILED

SECTIONS = (
    ("/", "Search"),
    ("/console/review", "Review"),
    ("/console/gallery", "Gallery"),
    ("/console/thresholds", "Thresholds"),
    ("/console/jobs", "Back-check"),
    ("/console/versions", "Models"),
    ("/console/health", "Health"),
)
FORM_TOKEN = "X-Form-Token"
"""Header with the token that forms of the present session carry; other sites cannot read it."""
_TITLES = {
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "Not found",
    408: "Too slow",
    409: "Conflict",
    413: "Too large",
    415: "Not taken",
    429: "Busy",
    503: "Not now",
}


def render(
    request: Request,
    template: str,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """Render a page or a fragment."""
    return _html(request.scope, template, status, values, headers)


def problem(scope: Scope, error: Exception, link: tuple[str, str] | None = None) -> Response:
    """Render an error as a page, or as a fragment for htmx. link: address and name of the way out."""
    status, message, headers = _described(error)
    fragment = is_fragment(scope)
    if fragment and isinstance(error, StaleFormError):
        headers[FORM_TOKEN] = scope["state"].get("form_token", "")
    title = _TITLES.get(status, "That did not work")
    values = {
        "title": title,
        "message": printable(sentence(message)),
        "link": link,
        "signed_out": status == 401,
    }
    return _html(scope, "problem_fragment.html" if fragment else "problem.html", status, values, headers)


def is_fragment(scope: Scope) -> bool:
    """Return whether htmx sent the request, which inserts the answer into the current page."""
    return "hx-request" in Headers(scope=scope)


def sentence(message: str) -> str:
    """Return it with a capital letter and a full stop. A name at its beginning stays: `a.png`, `text:`."""
    first = message.partition(" ")[0]
    capital = message[:1].upper() if first.isalpha() and first.islower() else message[:1]
    return f"{capital}{message[1:]}{'' if message.endswith(('.', '!', '?', '…')) else '.'}"


def _described(error: Exception) -> tuple[int, str, dict[str, str]]:
    if isinstance(error, HTTPException):
        return error.status_code, "There is no such page." if error.status_code == 404 else error.detail, {}
    if not isinstance(error, UniNoteError):
        return 500, f"{FAILED[0].upper()}{FAILED[1:]}.", {}
    return status_of(error), str(error), retry_after(error)


def _html(
    scope: Scope, template: str, status: int, values: dict[str, Any], headers: dict[str, str] | None = None
) -> HTMLResponse:
    state = scope.get("state", {})
    identity = state.get("identity")
    common = {
        "identity": identity,
        "form_token": state.get("form_token", ""),
        "request_id": state.get("request_id", ""),
        "may_operate": identity is not None and allows(identity.role, "operate"),
        "may_admin": identity is not None and allows(identity.role, "admin"),
        "sections": SECTIONS,
        "path": scope["path"],
    }
    text = _environment().get_template(template).render(common | values)
    return HTMLResponse(text.encode("utf-8", "replace"), status, headers=headers)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("uninote.service.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["moment"] = _moment
    made.filters["part"] = lambda text: quote(str(text), safe="")
    made.filters["beginning"] = beginning
    made.filters["verdict"] = lambda text: str(text).replace("_", " ")
    return made


def beginning(text: str) -> str:
    """Return the beginning of a text, with an ellipsis if it is cut."""
    return text if len(text) < PREVIEW_CHARS else text[:PREVIEW_CHARS].rstrip(" .") + "…"


def _moment(at: datetime | None) -> Markup:
    return Markup("–" if at is None else at.strftime("<time>%Y-%m-%d %H:%M UTC</time>"))
