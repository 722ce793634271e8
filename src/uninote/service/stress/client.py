"""A small HTTP/1.1 client: one request at a time on each kept connection, and as little work as can be.

The load shares its machine with the service in most measurements, so what the client costs is missing there;
the parser is the one that the server uses (`httptools`).
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httptools

from uninote.errors import ConfigError

LOST = 0
"""The status of a request that got no answer."""


@dataclass(frozen=True)
class Target:
    """Where requests go. `key` is sent as a bearer token and shown nowhere."""

    host: str
    port: int
    tls: bool
    path: str
    key: str = field(repr=False)

    @classmethod
    def of(cls, url: str, path: str, key: str) -> Target:
        """Raises ConfigError for what is no http or https address, or a key that no header can hold."""
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
        """The bytes of one POST."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"Authorization: Bearer {self.key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class _Connection(asyncio.Protocol):
    """Fed to the parser as `self`: the parser calls `on_message_complete`."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None
        self.open = False

    def ask(self, request: bytes) -> asyncio.Future[int]:
        """The status of the answer, `LOST` when the connection ended without one."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

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
            self._finish(LOST)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self._finish(LOST)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if not self._parser.should_keep_alive():
            self.close()
        self._parser = httptools.HttpResponseParser(self)
        self._finish(status)

    def _finish(self, status: int) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(status)


class Client:
    """At most `connections` open; a request that finds none free waits here, and its clock runs on."""

    def __init__(self, target: Target, connections: int, timeout: float) -> None:
        self._target, self._timeout = target, timeout
        self._free: list[_Connection] = []
        self._places = asyncio.Semaphore(connections)
        self._tls = ssl.create_default_context() if target.tls else None

    async def warm(self, connections: int) -> None:
        """Open connections ahead, so that the first requests do not pay for them. Raises ConfigError."""
        try:
            opened = await asyncio.gather(*(self._open() for _ in range(connections)))
        except (OSError, TimeoutError) as error:
            place = f"{self._target.host}:{self._target.port}"
            raise ConfigError(f"nothing answers at {place}: {error or 'it took too long'}") from None
        self._free.extend(opened)

    async def post(self, body: bytes) -> int:
        """The status of the answer, `LOST` without one within the timeout."""
        try:
            async with asyncio.timeout(self._timeout), self._places:
                return await self._post(self._target.request(body))
        except (OSError, TimeoutError):
            return LOST

    def close(self) -> None:
        for connection in self._free:
            connection.close()

    async def _post(self, request: bytes) -> int:
        while self._free:  # the one used last: the others may be closed by the server for being idle
            connection = self._free.pop()
            if connection.open:
                break
        else:
            connection = await self._open()
        try:
            status = await connection.ask(request)
        except asyncio.CancelledError:  # its late answer must not be taken for the next one's
            connection.close()
            raise
        if connection.open:
            self._free.append(connection)
        return status

    async def _open(self) -> _Connection:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._timeout):
            _, connection = await loop.create_connection(
                _Connection, self._target.host, self._target.port, ssl=self._tls
            )
        return connection
