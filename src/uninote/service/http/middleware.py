"""What happens to every request before its route sees it, and to every answer after.

In order: a request id; who calls and whether the route is theirs; the rate limit; the body, capped in bytes
and time. Then the route runs, and is cancelled when the caller goes away. What nobody expected becomes a 500
without details, and a log entry. One log line and one count per request.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from fastapi.responses import Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from uninote.errors import UniNoteError
from uninote.service.app.services import Runtime
from uninote.service.domain.base.keys import allows
from uninote.service.errors import (
    ForbiddenError,
    ServiceError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
    UnsupportedError,
)
from uninote.service.http.access import Identity, needed
from uninote.service.http.disconnect import CancelOnDisconnect
from uninote.service.http.errors import answer, envelope
from uninote.service.http.fast_path import Direct
from uninote.service.http.rate_limit import Rates

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
UNKNOWN = "unknown"  # the route of a request that matches none
FAILED = "something went wrong here; the log has the details under this request id"
_SAFE = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


class SlowBodyError(ServiceError):
    """The body did not arrive in time (408)."""


class Guard:
    """ASGI middleware around the routes of `routes`, those of `direct` answered from there."""

    def __init__(
        self,
        app: ASGIApp,
        runtime: Runtime,
        routes: Sequence[BaseRoute],
        direct: Mapping[tuple[str, str], Direct] | None = None,
    ) -> None:
        self._app, self._runtime, self._direct = app, runtime, direct or {}
        self._routes = [route for route in routes if isinstance(route, Route)]
        self._fixed = {(m, r.path) for r in self._routes for m in r.methods or () if "{" not in r.path}
        self._rates = Rates(runtime.options.rate_per_second)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        given = Headers(scope=scope).get("x-request-id", "")
        state["request_id"] = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        call = Call(scope, send, self._pattern(scope))
        try:
            await self._handle(call, receive)
        except asyncio.CancelledError:
            call.cancelled = True
            if not self._runtime.draining or call.status:
                raise
            # The time for requests under way is over: the process ends behind this answer.
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
        leaving = CancelOnDisconnect(call, receive)
        try:
            await self._answer(call, body)
        except asyncio.CancelledError:
            if not leaving.seen:
                raise
        finally:
            leaving.end()

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
                self._runtime.log.error(
                    "failed", request_id=call.request_id, route=call.route, exc_info=error
                )
            if not call.status:
                await call.respond(self.refusal(call, error))

    def refusal(self, call: Call, error: Exception) -> Response:
        """What a request is answered that goes no further."""
        if isinstance(error, SlowBodyError):
            return envelope(408, "timeout", str(error), call.request_id)
        if isinstance(error, UniNoteError):
            return answer(error, call.request_id)
        return envelope(500, "internal", FAILED, call.request_id)

    async def admit(self, call: Call) -> None:
        """Raises UnauthorizedError, ForbiddenError or BusyError."""
        role = needed(call.method, call.route)
        if role == "public":
            return
        key = _key(Headers(scope=call.scope))
        if not key:
            raise UnauthorizedError("an API key is missing; send it as `Authorization: Bearer <key>`")
        identity = await self._runtime.identify(key)
        call.identity = identity
        call.scope["state"]["identity"] = identity
        if call.route == UNKNOWN:
            return  # the router answers 404 or 405
        if role is None or not allows(identity.role, role):
            raise ForbiddenError(
                f"a key of role {identity.role} may not call this route; it needs {role or 'one of its own'}"
            )
        self._rates.take(identity.prefix)

    async def _body(self, call: Call, receive: Receive) -> bytes | None:
        """The whole body; None when the caller is gone."""
        headers, cap = Headers(scope=call.scope), self._runtime.options.max_body_bytes
        announced = headers.get("content-length", "0")
        if announced.isascii() and announced.isdigit() and int(announced[:20]) > cap:
            raise TooLargeError(f"the body has {announced[:20]} bytes, over the cap of {cap}")
        chunks, size = [], 0
        try:
            async with asyncio.timeout(self._runtime.options.body_seconds):
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
            seconds = self._runtime.options.body_seconds
            raise SlowBodyError(f"the body did not arrive within {seconds:g} seconds") from None
        if size:
            self.check_type(headers.get("content-type", "").partition(";")[0].strip().lower())
        return b"".join(chunks)

    def check_type(self, content_type: str) -> None:
        """Raises UnsupportedError for a body that no route reads."""
        if content_type != "application/json":
            raise UnsupportedError("the body must be JSON: send Content-Type: application/json")

    def _pattern(self, scope: Scope) -> str:
        """The pattern of the route that the request is for; only known text gets into logs and counters."""
        if (scope["method"], scope["path"]) in self._fixed:
            return str(scope["path"])
        for route in self._routes:
            if route.matches(scope)[0] is Match.FULL:
                return route.path
        return UNKNOWN

    def _record(self, call: Call) -> None:
        seconds = time.monotonic() - call.started
        metrics = self._runtime.metrics
        if call.cancelled:
            metrics.cancelled.inc()
        metrics.requests.labels(call.method, call.route, str(call.status or "none")).inc()
        metrics.seconds.labels(call.route).observe(seconds)
        if call.route.startswith("/health/") and call.status == 200:
            return
        self._runtime.log.info(
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
    """One request and what is known of its answer."""

    def __init__(self, scope: Scope, send: Send, route: str) -> None:
        self.scope, self._send, self.route = scope, send, route
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
        """Answer from here, without the route."""
        await response(self.scope, _nothing, self.send)


def _replay(body: bytes) -> Receive:
    """The body that was read; nothing comes after it, as the caller's leaving is watched elsewhere."""
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


def check_complete(routes: Sequence[BaseRoute]) -> list[tuple[str, Any]]:
    """The (method, pattern) of every route that the access table does not know."""
    return [
        (method, route.path)
        for route in routes
        if isinstance(route, Route)
        for method in sorted(route.methods or ())
        if needed(method, route.path) is None
    ]
