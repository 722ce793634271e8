"""Fetching from a real TLS server on loopback; only the TCP connection is bent there."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from uninote.service.errors import InvalidError, ServiceError, TooLargeError, UnsupportedError
from uninote.service.media.fetch import Fetcher

TLS = Path(__file__).parent / "tls"
URL = "https://cdn.example.com"


class Handler(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(f"{self.headers['Host']}{self.path}")
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        if self.path == "/compressed":
            self.send_header("Content-Encoding", "gzip")
        if self.path == "/announced":
            self.send_header("Content-Length", "99999999")
        if self.path == "/cut":
            self.send_header("Content-Length", "500")
        self.end_headers()
        if self.path == "/dripping":
            for _ in range(1200):  # a minute
                self.wfile.write(b"x")
                time.sleep(0.05)
        self.wfile.write(b"x" * (5000 if self.path == "/long" else 100))

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    Handler.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


Make = Callable[..., Fetcher]


@pytest.fixture
def make(port: int) -> Make:
    def build(**options: object) -> Fetcher:
        values: dict[str, object] = {
            "allowed": ("cdn.example.com", "wrong.example.com"),
            "seconds": 5,
            "max_bytes": 1000,
            "resolve": lambda _: ["93.184.215.14"],
            "connect": lambda _, seconds: socket.create_connection(("127.0.0.1", port), seconds),
            "tls": ssl.create_default_context(cafile=str(TLS / "cert.pem")),
        }
        return Fetcher(**(values | options))  # type: ignore[arg-type]

    return build


def test_the_body_comes_back_and_the_name_is_in_the_request(make: Make) -> None:
    assert make()(f"{URL}/a?b=c") == b"x" * 100
    assert Handler.asked == ["cdn.example.com/a?b=c"]


def test_redirects_are_followed_a_few_times(make: Make) -> None:
    assert make()(f"{URL}/to//to//a") == b"x" * 100
    with pytest.raises(InvalidError, match="redirects"):
        make()(f"{URL}/to//to//to//to//a")


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/missing", InvalidError),
        ("/compressed", UnsupportedError),
        ("/announced", TooLargeError),
        ("/long", TooLargeError),
        ("/cut", InvalidError),
        ("/to/http://127.0.0.1/", InvalidError),
        ("/to/https://169.254.169.254/latest/meta-data", InvalidError),
        ("/to/file:///etc/passwd", InvalidError),
    ],
)
def test_answers_that_are_refused(make: Make, path: str, error: type[ServiceError]) -> None:
    with pytest.raises(error):
        make()(f"{URL}{path}")
    assert len(Handler.asked) == 1


def test_a_name_that_changes_its_address_is_not_asked_twice(make: Make) -> None:
    """Try DNS rebinding: public when it is checked, private when it is connected to."""
    answers = iter([["93.184.215.14"], ["127.0.0.1"]])
    connected: list[str] = []

    def connect(address: str, _: float) -> socket.socket:
        connected.append(address)
        raise OSError

    with pytest.raises(InvalidError):
        make(resolve=lambda _: next(answers), connect=connect)(f"{URL}/a")
    assert connected == ["93.184.215.14"]
    answers = iter([["93.184.215.14"], ["127.0.0.1"]])
    with pytest.raises(InvalidError, match="not public"):  # a redirect to itself is a second look-up
        make(resolve=lambda _: next(answers))(f"{URL}/to//a")


def test_a_server_that_drips_bytes_is_cut_off(make: Make) -> None:
    started = time.monotonic()
    with pytest.raises(InvalidError, match=r"cut off|too long"):
        make(seconds=0.5)(f"{URL}/dripping")
    assert time.monotonic() - started < 30


def test_another_name_than_the_certificate_has_is_refused(make: Make) -> None:
    with pytest.raises(InvalidError, match="SSLCertVerificationError"):
        make()("https://wrong.example.com/a")
