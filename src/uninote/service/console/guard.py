"""Guard of the console: the API's middleware, with sessions instead of keys and pages instead of JSON."""

from __future__ import annotations

from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from typing import cast
from urllib.parse import quote

from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from uninote.service.app import keys
from uninote.service.app.services import Services
from uninote.service.console import pages
from uninote.service.console.access import PICTURES, SIGN_IN
from uninote.service.console.sessions import COOKIE, VISITOR, Sessions
from uninote.service.domain.base.identity import Identity, allows
from uninote.service.errors import ForbiddenError, UnauthorizedError, UnsupportedError
from uninote.service.http.middleware import Call, Guard
from uninote.service.roles import Role

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class ConsoleGuard(Guard):
    """ASGI middleware around the pages."""

    def __init__(
        self, app: ASGIApp, services: Services, routes: Sequence[BaseRoute], sessions: Sessions
    ) -> None:
        super().__init__(app, services, routes)
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if message["status"] == 303 and pages.is_fragment(scope):
                    # The browser, not htmx, goes to the page that a form leads to.
                    message["status"] = 204
                    headers["HX-Redirect"] = headers["location"]
                    del headers["location"], headers["content-length"]
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await super().__call__(scope, receive, safe)

    async def admit(self, call: Call) -> None:
        """Check session, role and rate. Raises UnauthorizedError, ForbiddenError or BusyError."""
        state = call.scope["state"]
        state["cookies"] = _cookies(Headers(scope=call.scope).get("cookie", ""))
        if call.role == "public":
            if visitor := state["cookies"].get(VISITOR, ""):
                state["form_token"] = self._sessions.form_token(visitor)
            return
        cookie = state["cookies"].get(COOKIE, "")
        identity = await self._identity(cookie)
        call.identity = state["identity"] = identity
        state["form_token"] = self._sessions.form_token(cookie)
        if call.role is None:
            return  # the router answers 404 or 405
        if not allows(identity.role, call.role):
            raise ForbiddenError(
                f"You are signed in with a key of role {identity.role}; this needs {call.role}."
            )
        if call.route != PICTURES:  # a page shows many at once
            self._rates.take(identity.prefix)

    def check_type(self, content_type: str) -> None:
        """Check the content type. Raises UnsupportedError for what is no form."""
        if content_type not in FORMS:
            raise UnsupportedError("the console reads forms only; programs use the API below /v1")

    def refusal(self, call: Call, error: Exception) -> Response:
        """Return a redirect to the sign-in page without a session, else an error page or fragment."""
        if isinstance(error, UnauthorizedError) and call.method == "GET" and call.route != PICTURES:
            query = call.scope.get("query_string", b"").decode("latin-1")
            there = call.scope["path"] + (f"?{query}" if query else "")
            if not pages.is_fragment(call.scope):
                return RedirectResponse(f"{SIGN_IN}?next={quote(there, safe='')}", 303)
        return pages.problem(call.scope, error)

    async def _identity(self, cookie: str) -> Identity:
        """Return the identity of a session. Raises UnauthorizedError."""
        prefix = self._sessions.prefix(cookie)
        if prefix is not None:
            key = await keys.known(self._services, prefix)
            if self._sessions.holds(cookie, key.secret_hash):
                return Identity(key.prefix, key.name, cast(Role, key.role))
        raise UnauthorizedError("Your session is over; sign in again.")


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: one.value for name, one in SimpleCookie(header).items()}
    except CookieError:
        return {}
