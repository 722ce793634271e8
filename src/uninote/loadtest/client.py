"""Minimal HTTP/1.1 client with keep-alive connections, one request at a time on each.

In most measurements the client shares its machine with the service, so it uses as little CPU as possible. The
parser is the server's one (`httptools`).
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httptools

from uninote.errors import ConfigError, reason_of

LOST = 0
"""The status of a request that got no answer."""


@dataclass(frozen=True)
class Target:
    """Server and path of the requests. key: sent as a bearer token, and left out of the representation."""

    host: str
    port: int
    tls: bool
    path: str
    key: str = field(repr=False)

    @classmethod
    def of(cls, url: str, path: str, key: str) -> Target:
        """Parse an address. Raises ConfigError unless it is http or https and the key fits a header."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise ConfigError(f"{url!r} is no address: {error}; give http://host:port") from None
        if parts.scheme not in ("http", "https") or not host or not (key.isascii() and key.isprintable()):
            raise ConfigError(f"give an address http://host:port, not {url!r}, and a key of plain characters")
        tls = parts.scheme == "https"
        return cls(host, port or (443 if tls else 80), tls, parts.path.rstrip("/") + path, key)

    def request(self, body: bytes) -> bytes:
        """Return the bytes of a POST request."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"Authorization: Bearer {self.key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@dataclass(eq=False)
class _Request:
    data: bytes
    done: Callable[[int], None]
    timer: asyncio.TimerHandle | None = None
    connection: _Connection | None = None
    over: bool = False

    def finish(self, status: int) -> None:
        if not self.over:
            self.over = True
            if self.timer is not None:
                self.timer.cancel()
            self.done(status)


class _Connection(asyncio.Protocol):
    """Connection, which is also the parser's delegate: the parser calls `on_message_complete`.

    idle: called when it is ready for the next request. gone: called when it is closed.
    """

    def __init__(self, idle: Callable[[_Connection], None], gone: Callable[[], None]) -> None:
        self._idle, self._gone = idle, gone
        self._parser = httptools.HttpResponseParser(self)
        self._request: _Request | None = None
        self._transport: asyncio.Transport | None = None
        self.open = False

    def ask(self, request: _Request) -> None:
        """Send a request. Its status is `LOST` if the connection ends without an answer."""
        assert self._transport is not None
        self._request, request.connection = request, self
        self._transport.write(request.data)

    def close(self) -> None:
        self.open = False
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self.open = transport, True

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self._finish(LOST)
        self._gone()

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if not self._parser.should_keep_alive():
            self.close()
        self._parser = httptools.HttpResponseParser(self)
        self._finish(status)
        if self.open:
            self._idle(self)

    def _finish(self, status: int) -> None:
        request, self._request = self._request, None
        if request is not None:
            request.finish(status)


class Client:
    """Client with at most `connections` connections. Requests queue for one, and their time counts."""

    def __init__(self, target: Target, connections: int, timeout: float) -> None:
        self._target, self._limit, self._timeout = target, connections, timeout
        self._free: list[_Connection] = []
        self._waiting: deque[_Request] = deque()
        self._count = 0  # of connections that are open or being opened
        self._opening: set[asyncio.Task[None]] = set()
        self._tls = ssl.create_default_context() if target.tls else None

    async def warm(self) -> None:
        """Open all connections ahead, so that the first requests do not pay for it. Raises ConfigError."""
        self._count = self._limit
        try:
            await asyncio.gather(*(self._open() for _ in range(self._limit)))
        except (OSError, TimeoutError) as error:
            place = f"{self._target.host}:{self._target.port}"
            raise ConfigError(f"nothing answers at {place}: {reason_of(error)}") from None

    def send(self, body: bytes, done: Callable[[int], None]) -> None:
        """Send a request. `done` is called once: with the status, or `LOST` without an answer in time.

        Callbacks take half the CPU of a task per request on the machine that is measured.
        """
        request = _Request(self._target.request(body), done)
        request.timer = asyncio.get_running_loop().call_later(self._timeout, self._give_up, request)
        self._waiting.append(request)
        self._serve()

    def close(self) -> None:
        for connection in self._free:
            connection.close()

    def _serve(self) -> None:
        while self._waiting:
            if self._waiting[0].over:
                self._waiting.popleft()
            elif self._free:  # the one used last: the others may be closed by the server for being idle
                connection = self._free.pop()
                if connection.open:
                    connection.ask(self._waiting.popleft())
            elif self._count < self._limit:
                self._count += 1
                task = asyncio.create_task(self._add())
                self._opening.add(task)
                task.add_done_callback(self._opening.discard)
                return
            else:
                return

    def _give_up(self, request: _Request) -> None:
        request.finish(LOST)
        if request.connection is not None:  # its late answer must not be taken for the next one's
            request.connection.close()

    async def _add(self) -> None:
        try:
            await self._open()
        except (OSError, TimeoutError):
            if self._waiting:
                self._waiting.popleft().finish(LOST)
        self._serve()

    async def _open(self) -> None:
        """Open a connection, which the caller has added to `_count`."""
        try:
            async with asyncio.timeout(self._timeout):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: _Connection(self._idle, self._gone),
                    self._target.host,
                    self._target.port,
                    ssl=self._tls,
                )
        except BaseException:
            self._count -= 1
            raise
        self._free.append(connection)

    def _idle(self, connection: _Connection) -> None:
        self._free.append(connection)
        self._serve()

    def _gone(self) -> None:
        self._count -= 1
        self._serve()
