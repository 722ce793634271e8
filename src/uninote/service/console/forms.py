"""Form handling: protection against cross-site request forgery, and conversion to the API's requests."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData

from uninote.problems import sentence
from uninote.service.console.sessions import StaleFormError
from uninote.service.errors import ForbiddenError, InvalidError

TOKEN = "form_token"
MAX_FILES = 64

Model = TypeVar("Model", bound=BaseModel)


async def check_origin(request: Request) -> None:
    """Check origin and token of every form. Raises ForbiddenError for a POST from elsewhere."""
    if request.method in ("GET", "HEAD"):
        return
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ForbiddenError("This form was sent by another site.")
    sent = (await request.form(max_files=MAX_FILES)).get(TOKEN, "")
    wanted: str = getattr(request.state, "form_token", "")
    given = sent.encode("utf-8", "replace") if isinstance(sent, str) else b""
    if not wanted or not hmac.compare_digest(given, wanted.encode()):
        raise StaleFormError(
            "This form is older than your session and nothing was changed. Send it once more; if that fails "
            "too, load the page again."
        )


async def _form(request: Request) -> FormData:
    return await request.form(max_files=MAX_FILES)


Form = Annotated[FormData, Depends(_form)]


def text(form: FormData | Mapping[str, Any], name: str) -> str:
    """Return a field, stripped; empty when it is missing."""
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def exact(form: FormData | Mapping[str, Any], name: str) -> str:
    """Return a field that a person did not type, with its spaces; empty when it is missing."""
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def number(form: FormData | Mapping[str, Any], name: str) -> float | None:
    """Return a field as a number; None when it is empty. Raises InvalidError."""
    given = text(form, name)
    try:
        return float(given) if given else None
    except ValueError:
        raise InvalidError(f"{name.replace('_', ' ')}: {given[:40]!r} is not a number") from None


def checked(model: type[Model], **fields: Any) -> Model:
    """Validate fields of a form as a request of the API. Raises InvalidError with the first bad field."""
    try:
        return model(**fields)
    except ValidationError as error:
        raise InvalidError(sentence(error, model)) from None
