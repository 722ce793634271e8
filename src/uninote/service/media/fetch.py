"""HTTPS client for one picture or video, with limits of bytes and time.

The host name is resolved once, in `check_url`. The connection goes to that address, and TLS verifies that the
server's certificate is for the name. Each redirect is checked like the first URL.
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
"""Opener of a TCP connection to port 443 of a numeric address, within the given seconds."""


def connect(address: str, seconds: float) -> socket.socket:
    """Open a TCP connection to the https port of a numeric address."""
    return socket.create_connection((address, PORT), seconds)


@dataclass(frozen=True)
class Fetcher:
    """Client that fetches from the hosts of `allowed` only. resolve, connect, tls: replaced in tests."""

    allowed: Sequence[str]
    seconds: float
    max_bytes: int
    resolve: Resolve = resolve
    connect: Connect = connect
    tls: ssl.SSLContext | None = None

    def __call__(self, url: str) -> bytes:
        """Return the body of `url`. Raises InvalidError, TooLargeError or UnsupportedError."""
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
        """Return the body, or the location of a redirect."""
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
        """Return the body, read in chunks: at most the limit plus one chunk is in memory."""
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
    """Deadline of a whole fetch. A server that sends single bytes would pass a timeout of each read."""

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
