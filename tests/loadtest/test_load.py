"""Loads on real sockets: a peer that stalls, refuses and hangs up, and a real service process."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.service.http.conftest import CLI

from uninote.errors import ConfigError
from uninote.loadtest.client import LOST, Target
from uninote.loadtest.load import put_load
from uninote.loadtest.schedule import schedule


class Peer(BaseHTTPRequestHandler):
    """Answers by what it is sent: `429`, `500` as status, `gone` by hanging up, `stall` when `released`."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str]] = []  # noqa: RUF012
    released = threading.Event()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.seen.append((self.path, self.headers["Authorization"]))
        if body == "gone":
            self.close_connection = True
            return
        if body == "stall":
            self.released.wait(60)
        self.send_response(int(body) if body.isdigit() else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def peer() -> Iterator[Target]:
    Peer.released.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Peer)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield Target.of(f"http://127.0.0.1:{server.server_port}", "/v1/notes", "the-key")
    finally:
        Peer.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def test_every_fate_of_a_request_is_told_apart() -> None:
    sent = [b"fine", b"429", b"gone", b"500", b"fine"]
    with peer() as target:
        answers = put_load(target, schedule(50, 0.1, "fixed"), sent, connections=3)
    assert answers.status.tolist() == [200, 429, LOST, 500, 200]
    assert set(Peer.seen) == {("/v1/notes", "Bearer the-key")}
    assert (answers.done >= answers.sent).all()
    assert (answers.sent >= answers.due).all()


def test_a_stall_counts_for_everything_that_waited_behind_it() -> None:
    due = schedule(100, 0.1, "fixed")

    def body(number: int) -> bytes:
        if number == len(due) - 1:  # all others are sent
            Peer.released.set()
        return b"fine" if number else b"stall"

    with peer() as target:
        answers = put_load(target, due, body, connections=1)
    assert (answers.status == 200).all()
    assert (answers.due == due).all()
    assert answers.done[0] >= answers.sent[-2]  # the schedule itself did not stall
    # With one connection all wait for the first; each latency counts what was left of the stall.
    assert (answers.done[1:] >= answers.done[0]).all()


def test_an_answer_that_takes_too_long_is_lost_and_not_taken_for_the_next() -> None:
    with peer() as target:
        answers = put_load(
            target, np.array([0.0, 0.3, 0.31]), [b"stall", b"429", b"fine"], connections=1, timeout=1
        )
    assert answers.status.tolist() == [LOST, 429, 200]


def test_nothing_that_answers_is_an_error() -> None:
    with peer() as target:
        pass
    with pytest.raises(ConfigError, match="nothing answers"):
        put_load(target, schedule(10, 0.1, "fixed"), [b""] * 9)


def test_the_command_measures_a_real_service_and_fails_past_its_limits(
    stub: Any,
    tmp_path: Path,
) -> None:
    running = stub()
    key = tmp_path / "key"
    key.write_text(running.admin)
    command = [*CLI, "stress", "--url", running.url, "--key-file", str(key), "--rate", "40", "--seconds", "1"]

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *options], capture_output=True, text=True, timeout=240, check=False)

    done = run("--json", "--arrivals", "fixed", "--limit-p99-ms", "200000", "--limit-drops", "0")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["requests"], found["ok"], found["drops"]) == (40, 40, 0)
    with running.client() as client:
        page = client.get("/metrics").text
    assert 'uninote_notes_total{status="created"} 40.0' in page
    assert running.admin not in done.stdout + done.stderr

    done = run("--batch", "5", "--arrivals", "fixed", "--limit-drops", "0")
    assert done.returncode == 0, done.stderr
    with running.client() as client:
        assert 'uninote_notes_total{status="created"} 240.0' in client.get("/metrics").text

    late = run("--what", "match", "--limit-p99-ms", "0.001")
    assert late.returncode == 1
    assert "limit: p99" in late.stderr
    assert "latency from when it was due" in late.stdout
    key.write_text("un_0123456789ab_wrong")
    refused = run("--what", "search", "--limit-drops", "0")
    assert refused.returncode == 1
    assert "401" in refused.stdout


def test_a_missing_key_or_a_bad_option_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from uninote.cli.stressing import stress

    monkeypatch.delenv("UNINOTE_KEY", raising=False)
    with pytest.raises(ConfigError, match="UNINOTE_KEY"):
        stress()
    with pytest.raises(ConfigError, match="--what is one of"):
        stress(what="everything")
    with pytest.raises(ConfigError, match="--batch is for notes and match"):
        stress(what="search", batch=2)
