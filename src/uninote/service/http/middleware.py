"""Middleware around every route: identity, role, rate limit, body, errors, log and metrics.

Each request gets an id. Then the middleware checks the key, its role and the rate limit, and reads the body
within limits of bytes and time. The route runs, and is cancelled when the caller disconnects. An unexpected
error becomes a 500 without details, and a log entry. Each request is logged and counted once.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from functools import partial

from fastapi.responses import Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from uninote.errors import UniNoteError
from uninote.service.app.services import Services
from uninote.service.domain.base.identity import Identity, allows
from uninote.service.errors import (
    ForbiddenError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
    UnsupportedError,
)
from uninote.service.http.access import Access, access_of
from uninote.service.http.disconnect import CancelOnDisconnect
from uninote.service.http.errors import SlowBodyError, answer, envelope
from uninote.service.http.fast_path import Direct
from uninote.service.http.rate_limit import Rates

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
UNKNOWN = "unknown"  # the route of a request that matches none
FAILED = "something went wrong here; the log has the details under this request id"
_SAFE = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


class Guard:
    """ASGI middleware around `routes`. direct: the fast path, by method and path."""

    def __init__(
        self,
        app: ASGIApp,
        services: Services,
        routes: Sequence[BaseRoute],
        direct: Mapping[tuple[str, str], Direct] | None = None,
    ) -> None:
        self._app, self._services, self._direct = app, services, direct or {}
        self._access = access_of(routes)
        self._fixed = {
            (method, route.path): (route.path, role)
            for route, role in self._access
            if "{" not in route.path
            for method in route.methods or ()
        }
        self._rates = Rates(services.options.rate_per_second)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        given = Headers(scope=scope).get("x-request-id", "")
        state["request_id"] = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        call = Call(scope, send, *self._route(scope))
        try:
            await self._handle(call, receive)
        except asyncio.CancelledError:
            call.cancelled = True
            if not self._services.draining or call.status:
                raise
            # The time to finish running requests has passed: the process ends after this answer.
            error = UnavailableError("the service is stopping; send the request to another replica")
            await call.respond(self.refusal(call, error))
        finally:
            self._record(call)

    async def _handle(self, call: Call, receive: Receive) -> None:
        try:
            await self.admit(call)
            if call.identity is not None:  # for what costs more than one request
                call.scope["state"]["charge"] = partial(self._rates.charge, call.identity.prefix)
            body = await self._body(call, receive)
        except UniNoteError as error:
            await call.respond(self.refusal(call, error))
            return
        if body is None:
            call.cancelled = True
            return
        disconnect = CancelOnDisconnect(call, receive)
        try:
            await self._answer(call, body)
        except asyncio.CancelledError:
            if not disconnect.seen:
                raise
        finally:
            disconnect.end()

    async def _answer(self, call: Call, body: bytes) -> None:
        direct = self._direct.get((call.method, call.route))
        try:
            response = None if direct is None else await direct(call.scope, body)
            if response is not None:
                await call.respond(response)
            else:
                await self._app(call.scope, _replay(body), call.send)
        except Exception as error:
            if not isinstance(error, UniNoteError):
                self._services.log.error(
                    "failed", request_id=call.request_id, route=call.route, exc_info=error
                )
            if not call.status:
                await call.respond(self.refusal(call, error))

    def refusal(self, call: Call, error: Exception) -> Response:
        """Return the error response of a refused request."""
        if isinstance(error, UniNoteError):
            return answer(error, call.request_id)
        return envelope(500, "internal", FAILED, call.request_id)

    async def admit(self, call: Call) -> None:
        """Check key, role and rate. Raises UnauthorizedError, ForbiddenError or BusyError."""
        if call.role == "public":
            return
        key = _key(Headers(scope=call.scope))
        if not key:
            raise UnauthorizedError("an API key is missing; send it as `Authorization: Bearer <key>`")
        identity = await self._services.group_commit.identify(key)
        call.identity = identity
        call.scope["state"]["identity"] = identity
        if call.role is None:
            return  # the router answers 404 or 405
        if not allows(identity.role, call.role):
            raise ForbiddenError(
                f"a key of role {identity.role} may not call this route; it needs {call.role}"
            )
        self._rates.take(identity.prefix)

    async def _body(self, call: Call, receive: Receive) -> bytes | None:
        """Return the whole body; None when the caller has disconnected."""
        headers, cap = Headers(scope=call.scope), self._services.options.max_body_bytes
        announced = headers.get("content-length", "0")
        if announced.isascii() and announced.isdigit() and int(announced[:20]) > cap:
            raise TooLargeError(f"the body has {announced[:20]} bytes, over the cap of {cap}")
        chunks, size = [], 0
        try:
            async with asyncio.timeout(self._services.options.body_seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    chunks.append(message.get("body", b""))
                    size += len(chunks[-1])
                    if size > cap:
                        raise TooLargeError(f"the body has more than {cap} bytes")
                    more = message.get("more_body", False)
        except TimeoutError:
            seconds = self._services.options.body_seconds
            raise SlowBodyError(f"the body did not arrive within {seconds:g} seconds") from None
        if size:
            self.check_type(headers.get("content-type", "").partition(";")[0].strip().lower())
        return b"".join(chunks)

    def check_type(self, content_type: str) -> None:
        """Check the content type. Raises UnsupportedError for a body that no route reads."""
        if content_type != "application/json":
            raise UnsupportedError("the body must be JSON: send Content-Type: application/json")

    def _route(self, scope: Scope) -> tuple[str, Access | None]:
        """Return path pattern and role of a request's route; logs and counters use the pattern."""
        found = self._fixed.get((scope["method"], scope["path"]))
        if found is not None:
            return found
        for route, role in self._access:
            if route.matches(scope)[0] is Match.FULL:
                return route.path, role
        return UNKNOWN, None

    def _record(self, call: Call) -> None:
        seconds = time.monotonic() - call.started
        metrics = self._services.metrics
        if call.cancelled:
            metrics.cancelled.inc()
        metrics.requests.labels(call.method, call.route, str(call.status or "none")).inc()
        metrics.seconds.labels(call.route).observe(seconds)
        if call.route.startswith("/health/") and call.status == 200:
            return
        self._services.log.info(
            "request",
            request_id=call.request_id,
            method=call.method,
            route=call.route,
            status=call.status,
            cancelled=call.cancelled,
            ms=round(seconds * 1000, 1),
            key=call.identity.prefix if call.identity else None,
        )


class Call:
    """Request with the state of its answer. route: a path pattern, or `UNKNOWN`, which has no role."""

    def __init__(self, scope: Scope, send: Send, route: str, role: Access | None) -> None:
        self.scope, self._send, self.route, self.role = scope, send, route, role
        self.request_id: str = scope["state"]["request_id"]
        known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
        self.method: str = scope["method"] if scope["method"] in known else "OTHER"
        self.identity: Identity | None = None
        self.status = 0
        self.cancelled = False
        self.complete = False
        self.started = time.monotonic()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self.request_id
            for name, value in _SAFE.items():
                headers.setdefault(name, value)
        elif not message.get("more_body", False):
            self.complete = True
        await self._send(message)

    async def respond(self, response: Response) -> None:
        """Send a response from the middleware, without the route."""
        await response(self.scope, _nothing, self.send)


def _replay(body: bytes) -> Receive:
    """Return a receive channel with the body that was read, and no further message."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop()

    return receive


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def _key(headers: Headers) -> str:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
