"""Common properties of all answers: access, the envelope, ids, logs, health, counters."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import stat
import time
from collections.abc import Iterator

import httpx
import pytest
from tests.service.http.conftest import StartStub
from tests.service.http.running import Running

from uninote.service.main.server import _listen


@pytest.fixture
def public(real: Running) -> Iterator[httpx.Client]:
    with real.client("public") as client:
        yield client


def check(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["message"]
    assert error["request_id"] == answer.headers["x-request-id"]


def test_health_is_public_and_real(public: httpx.Client) -> None:
    assert public.get("/health/live").json() == {"status": "live"}
    first, second = (public.get("/health/ready").json() for _ in range(2))
    assert first["status"] == "ready"
    assert min(first["encoder"]["seconds"], second["encoder"]["seconds"]) > 0.001  # a forward pass each time
    assert 0 <= first["gallery"]["age_seconds"] < 5


def test_head_of_the_document_needs_what_its_get_needs(real: Running) -> None:
    for role, status in (("public", 401), ("read", 200)):
        with real.client(role) as client:
            assert (
                client.head("/openapi.json").status_code == client.get("/openapi.json").status_code == status
            )
            assert client.head("/v1/jobs").status_code == (401 if role == "public" else 405)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer un_0123456789ab_forged"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"X-API-Key": "un_\u00e4_x".encode("latin-1").decode("latin-1")},
        {"Authorization": "Bearer " + "x" * 5000},
    ],
)
@pytest.mark.parametrize("path", ["/metrics", "/openapi.json", "/nothing/here", "/v1/keys"])
def test_without_a_good_key_nothing_is_told(public: httpx.Client, headers: dict[str, str], path: str) -> None:
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = public.get(path, headers=encoded)  # type: ignore[arg-type]
    check(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_key_is_taken_from_either_header(real: Running, public: httpx.Client) -> None:
    assert public.get("/metrics", headers={"X-API-Key": real.admin}).status_code == 200
    assert public.get("/metrics", headers={"Authorization": f"bearer {real.admin}"}).status_code == 200


def test_unknown_routes_and_methods(admin: httpx.Client) -> None:
    check(admin.get("/nothing/here"), 404, "not_found")
    answer = admin.delete("/metrics")
    check(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]


def test_request_ids_are_kept_when_they_are_harmless(admin: httpx.Client) -> None:
    assert admin.get("/metrics", headers={"X-Request-ID": "a-1.b_2"}).headers["x-request-id"] == "a-1.b_2"
    for bad in ("a b", "x" * 65, 'a"'):
        given = admin.get("/metrics", headers={"X-Request-ID": bad.encode()})  # type: ignore[dict-item]
        assert re.fullmatch(r"[0-9a-f]{16}", given.headers["x-request-id"])


def test_answers_are_not_sniffed_or_cached(admin: httpx.Client) -> None:
    headers = admin.get("/metrics").headers
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
    assert "server" not in headers


def test_counters_name_patterns_and_no_paths(admin: httpx.Client) -> None:
    admin.get("/nothing/secret-path")
    page = admin.get("/metrics").text
    assert 'uninote_requests_total{method="GET",route="unknown",status="404"}' in page
    assert "secret-path" not in page
    for name in ("queue_items", "index_age_seconds", "batch_items_bucket", "request_seconds_bucket"):
        assert f"uninote_{name}" in page


def test_log_lines_cannot_be_forged_and_hold_no_secret(real: Running, admin: httpx.Client) -> None:
    mark = "forged-by-a-test"
    admin.get(f"/nothing/%0a%7b%22event%22:%22{mark}%22%7d", headers={"User-Agent": f"x{mark}"})
    admin.get("/nothing?key=secret-in-query")
    with real.client("public") as client:
        client.get("/metrics", headers={"Authorization": "Bearer un_aaaaaaaaaaaa_secretsecret"})
    host, port = real.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(f"GET /a\r\n{mark}\r\n\r\n".encode())
        raw.recv(1000)
    text = real.log_file.read_text()
    assert all(isinstance(line, dict) for line in real.logs())
    assert not any(line.get("event") == mark for line in real.logs())
    for secret in (mark, real.admin, real.admin.split("_", 2)[2], "secretsecret", "secret-in-query"):
        assert secret not in text
    request = [line for line in real.logs() if line["event"] == "request"][-1]
    assert {"request_id", "method", "route", "status", "ms", "key"} <= request.keys()


def test_the_first_key_is_a_private_file_and_made_once(stub: StartStub, address: str) -> None:
    running = stub()
    mode = (running.folder / "admin.key").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert running.admin not in running.log_file.read_text()
    again = next(line for line in running.logs() if line["event"] == "serving")
    assert again["key_file"].endswith("admin.key")


def test_an_error_that_nobody_expected_tells_nothing(stub: StartStub) -> None:
    running = stub()
    (running.folder / "fail").touch()
    with running.client("public") as client:
        answer = client.get("/health/ready")
    check(answer, 500, "internal")
    assert "secret" not in answer.text + running.log_file.read_text()
    failed = next(line for line in running.logs() if line["event"] == "failed")
    assert failed["request_id"] == answer.json()["error"]["request_id"]
    assert failed["error"] == ["RuntimeError"]
    assert any("stub_server.py" in place for place in failed["at"])


@pytest.mark.parametrize("seconds", [0.5])
def test_the_body_is_capped_in_bytes_and_time(stub: StartStub, seconds: float) -> None:
    running = stub(max_body_bytes=2000, body_seconds=seconds)
    with running.client() as client:
        check(client.post("/v1/keys", content=b"x" * 3000), 413, "too_large")
        check(client.post("/v1/keys", content=iter([b"x" * 1500] * 2)), 413, "too_large")
        check(
            client.post("/v1/keys", content=b"<a/>", headers={"Content-Type": "text/xml"}),
            415,
            "unsupported_media_type",
        )
    host, port = running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as raw:
        head = f"POST /v1/keys HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {running.admin}\r\n"
        raw.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
        received = b""
        while not received.endswith(b"}}"):
            received += raw.recv(4000)
        assert received.startswith(b"HTTP/1.1 408")
        assert json.loads(received.rpartition(b"\r\n\r\n")[2])["error"]["code"] == "timeout"


def test_a_key_that_asks_too_often_is_told_when_to_come_back(stub: StartStub) -> None:
    running = stub(rate_per_second=2)
    with running.client() as client:
        began = time.monotonic()
        answers = [client.get("/metrics") for _ in range(20)]
        seconds = time.monotonic() - began
    assert [answer.status_code for answer in answers[:2]] == [200, 200]
    assert sum(answer.status_code == 200 for answer in answers) <= 2 + 2 * seconds
    refused = next(answer for answer in answers if answer.status_code != 200)
    check(refused, 429, "busy")
    assert refused.headers["retry-after"] == "1"


def test_an_answer_does_not_wait_for_an_acknowledgement() -> None:
    async def delayed() -> list[int]:
        found: list[int] = []

        def met(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found.append(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = _listen("127.0.0.1", 0)
        async with await asyncio.start_server(met, sock=listener):
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            await reader.read()
            writer.close()
        return found

    (on,) = asyncio.run(delayed())
    assert on
