"""Fetcher of one picture: one connection to an address that was checked, capped in bytes and in time.

The name is resolved once, in `check_url`; the connection goes to that address, and TLS checks that it speaks
for the name. Redirects are followed by hand, each one checked like the first.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from uninote.service.errors import InvalidError, TooLargeError, UnsupportedError
from uninote.service.media.addresses import PORT, Resolve, Target, check_redirect, check_url, resolve

MAX_REDIRECTS = 3
CHUNK = 65_536
_REDIRECTS = (301, 302, 303, 307, 308)

Connect = Callable[[str, float], socket.socket]
"""A TCP connection to port 443 of a numeric address, within the given seconds."""


def connect(address: str, seconds: float) -> socket.socket:
    """Open a TCP connection to the https port of a numeric address."""
    return socket.create_connection((address, PORT), seconds)


@dataclass(frozen=True)
class Fetcher:
    """Fetches from the hosts of `allowed` only. resolve, connect and tls are there for tests."""

    allowed: Sequence[str]
    seconds: float
    max_bytes: int
    resolve: Resolve = resolve
    connect: Connect = connect
    tls: ssl.SSLContext | None = None

    def __call__(self, url: str) -> bytes:
        """Return the body of `url`. Raises InvalidError, TooLargeError or UnsupportedError, each
        saying why.
        """
        watch = _Watch(self.seconds)
        try:
            target = check_url(url, self.allowed, self.resolve)
            for _ in range(MAX_REDIRECTS + 1):
                answer = self._get(target, watch)
                if isinstance(answer, bytes):
                    return answer
                url, target = check_redirect(url, answer, self.allowed, self.resolve)
            raise InvalidError(f"the URL redirects more than {MAX_REDIRECTS} times")
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = "it took too long" if watch.over else type(error).__name__
            raise InvalidError(f"the URL cannot be fetched: {reason}") from None
        finally:
            watch.stop()

    def _get(self, target: Target, watch: _Watch) -> bytes | str:
        """Return the body, or where a redirect leads."""
        plain = self.connect(target.address, self.seconds)
        watch.guard(plain)
        with plain:
            context = self.tls or ssl.create_default_context()
            with context.wrap_socket(plain, server_hostname=target.host) as secure:
                watch.guard(secure)
                connection = http.client.HTTPConnection(target.host)
                connection.sock = secure
                headers = {"Accept": "image/*, video/*", "Accept-Encoding": "identity", "Connection": "close"}
                connection.request("GET", target.path, headers=headers)
                response = connection.getresponse()
                if response.status in _REDIRECTS:
                    return response.headers.get("Location") or ""
                if response.status != 200:
                    raise InvalidError(f"the URL answers with status {response.status}")
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise UnsupportedError("the URL answers with compressed content, which is not unpacked")
                body, announced = self._read(response), response.headers.get("Content-Length")
                if watch.over or (announced is not None and len(body) != int(announced)):
                    raise InvalidError("the URL cannot be fetched: the answer is cut off")
                return body

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        """Return the body, read in chunks: never more than the cap plus one chunk is held."""
        announced = response.headers.get("Content-Length", "")
        size, chunks = 0, []
        if announced.isascii() and announced.isdigit() and int(announced[:20]) > self.max_bytes:
            raise TooLargeError(f"the URL announces {announced} bytes, over the cap of {self.max_bytes}")
        while chunk := response.read1(CHUNK):
            size += len(chunk)
            if size > self.max_bytes:
                raise TooLargeError(f"the URL sends more than {self.max_bytes} bytes")
            chunks.append(chunk)
        return b"".join(chunks)


class _Watch:
    """Ends the connection when the time is over: a server that drips bytes keeps every single read short."""

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def guard(self, connection: socket.socket) -> None:
        self._socket = connection
        if self.over:
            raise TimeoutError

    def stop(self) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        self.over = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
