"""OpenAI-compatible describer against a local HTTP server."""

import base64
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from uninote.annotate.describe_openai import OpenAIDescriber
from uninote.annotate.protocol import PartialError
from uninote.errors import ModelError, PictureError

SOON = {"retry-after-ms": "10"}


class Server(ThreadingHTTPServer):
    """Server that answers by `script` (status, headers) in order, then 200, and records its requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[tuple[int, dict[str, str]]] = []
        self.body = b""
        self.asked: list[dict] = []
        self.times: list[float] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.times.append(time.time())
        self.server.asked.append({"path": self.path, "key": self.headers["Authorization"], **request})
        status, headers = self.server.script.pop(0) if self.server.script else (200, {})
        if status == 200 and colour(request) == "blue":
            status = 400
        answer = {"choices": [{"message": {"content": f" a {colour(request)} square "}}]}
        body = self.server.body or json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def colour(request: dict) -> str:
    url = request["messages"][0]["content"][0]["image_url"]["url"]
    image = Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/jpeg;base64,"))))
    assert max(image.size) <= 64
    red, green, blue = image.getpixel((5, 5))
    return max((red, "red"), (green, "green"), (blue, "blue"))[1]


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def describer(server: Server, **options: object) -> OpenAIDescriber:
    settings = {"max_side": 64, "concurrency": 1, **options}
    return OpenAIDescriber(server.url, "tiny-vl", "secret-key", **settings)


RED, GREEN, BLUE = (Image.new("RGB", (200, 100), name) for name in ("#ff0000", "#00ff00", "#0000ff"))


def test_each_picture_gets_its_own_description_in_order(server):
    assert describer(server, concurrency=4)([RED, GREEN, RED]) == [
        "a red square",
        "a green square",
        "a red square",
    ]
    asked = server.asked[0]
    assert asked["path"] == "/v1/chat/completions"
    assert asked["model"] == "tiny-vl"
    assert asked["key"] == "Bearer secret-key"


def test_without_a_key_none_is_sent(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "of-another-server")
    assert OpenAIDescriber(server.url, "tiny-vl", max_side=64)([RED]) == ["a red square"]
    assert server.asked[0]["key"] is None


def test_busy_and_broken_answers_are_tried_again(server):
    server.script = [(429, SOON), (503, SOON), (500, SOON)]
    assert describer(server)([RED]) == ["a red square"]
    assert len(server.asked) == 4


@pytest.mark.parametrize("unit", ["seconds", "date"])
def test_retry_after_is_honoured(server, unit):
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    after = "0.4" if unit == "seconds" else format_datetime(moment, usegmt=True)
    server.script = [(429, {"Retry-After": after})]
    assert describer(server)([RED]) == ["a red square"]
    earliest = server.times[0] + 0.4 if unit == "seconds" else moment.timestamp()
    assert server.times[1] >= earliest - 0.01


def test_retry_after_is_capped(server):
    server.script = [(503, {"Retry-After": "9999"})]
    assert describer(server, max_wait=0.05)([RED]) == ["a red square"]
    assert server.times[1] - server.times[0] < 60


def test_a_refused_picture_does_not_fail_the_others(server):
    with pytest.raises(PartialError) as caught:
        describer(server)([RED, BLUE, GREEN])
    first, refused, last = caught.value.results
    assert (first, last) == ("a red square", "a green square")
    assert isinstance(refused, PictureError)
    assert "400" in str(refused)
    assert len(server.asked) == 3


def test_a_picture_on_which_the_server_always_fails_is_given_up(server):
    server.script = [(500, SOON)] * 3
    with pytest.raises(PartialError) as caught:
        describer(server, retries=2)([RED])
    assert "500" in str(caught.value.results[0])
    assert len(server.asked) == 3


@pytest.mark.parametrize("status", [401, 404])
def test_refused_key_or_model_stops_at_once(server, status):
    server.script = [(status, {})]
    with pytest.raises(ModelError, match=str(status)) as caught:
        describer(server)([RED])
    assert len(server.asked) == 1
    assert "secret-key" not in str(caught.value)


def test_quota_that_stays_used_up_stops_the_run(server):
    server.script = [(429, SOON)] * 2
    with pytest.raises(ModelError, match="429"):
        describer(server, retries=1)([RED])


def test_the_key_is_never_sent_to_a_redirect(server):
    server.script = [(302, {"Location": f"{server.url}/elsewhere"})]
    with pytest.raises(ModelError, match="302"):
        describer(server)([RED])
    assert len(server.asked) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"choices": []}', b'{"choices": [{"message": null}]}'])
def test_foreign_answer_is_a_model_error(server, body):
    server.body = body
    with pytest.raises(ModelError, match="chat completion"):
        describer(server)([RED])


def test_empty_description_is_the_picture_s_failure(server):
    server.body = json.dumps({"choices": [{"message": {"content": "  "}}]}).encode()
    with pytest.raises(PartialError) as caught:
        describer(server)([RED])
    assert "no description" in str(caught.value.results[0])


def test_unreachable_server_is_named_after_the_retries():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        with pytest.raises(ModelError, match="cannot be reached"):
            OpenAIDescriber(endpoint, "m", retries=1, timeout=2)([RED])


def test_silent_server_times_out():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with pytest.raises(ModelError, match="timed out"):
            OpenAIDescriber(endpoint, "m", retries=0, timeout=0.2)([RED])


def test_key_is_not_shown_and_name_follows_the_prompt(server):
    one = describer(server)
    assert "secret-key" not in repr(one) + one.name
    assert one.name != describer(server, prompt="Name the colour.").name
    assert one.name != OpenAIDescriber(server.url, "other").name
