"""Batching, back pressure, cancelling, draining and dying, seen from outside of a real process."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.service.http.conftest import StartStub
from tests.service.http.running import Running

from uninote.service.main.server import BROKEN


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def note(note_id: str) -> dict[str, Any]:
    return {"id": note_id, "title": note_id}


def post(running: Running, note_id: str, timeout: float = 60) -> httpx.Response:
    headers = {"Authorization": f"Bearer {running.admin}"}
    return httpx.post(f"{running.url}/v1/notes", json=note(note_id), headers=headers, timeout=timeout)


def gauge(running: Running, name: str) -> float:
    with running.client() as client:
        page = client.get("/metrics").text
    return float(next(line.split()[-1] for line in page.splitlines() if line.startswith(f"uninote_{name} ")))


def waiting(running: Running, items: int) -> Callable[[], bool]:
    return lambda: gauge(running, "queue_items") == items


def passes(running: Running) -> list[int]:
    file = running.folder / "passes"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def test_requests_share_passes_a_full_queue_refuses_and_who_leaves_costs_nothing(stub: StartStub) -> None:
    running = stub(queue_items=6, max_batch=6)
    hold = running.folder / "hold"
    with ThreadPoolExecutor(8) as pool:
        hold.touch()
        first = pool.submit(post, running, "first")
        until(waiting(running, 1))
        others = [pool.submit(post, running, f"other-{n}") for n in range(3)]
        until(waiting(running, 4))
        with pytest.raises(httpx.ReadTimeout):
            post(running, "impatient", timeout=1)  # closes its connection
        until(waiting(running, 4))
        others += [pool.submit(post, running, f"more-{n}") for n in range(2)]
        until(waiting(running, 6))
        refused = post(running, "too many")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "busy")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        ready = pool.submit(httpx.get, f"{running.url}/health/ready", timeout=60)
        hold.unlink()
        answers = [future.result() for future in (first, *others)]
        assert ready.result().status_code == 200  # a full queue is no reason to be taken out of service
    assert [answer.json()["status"] for answer in answers] == ["created"] * 6
    assert sorted(passes(running)) == [1, 1, 5]  # the first, the probe, and all that had gathered
    with running.client() as client:
        for gone in ("impatient", "too%20many"):
            assert client.get(f"/v1/notes/{gone}").status_code == 404
        page = client.get("/metrics").text
    assert "uninote_cancelled_requests_total 1.0" in page
    assert "uninote_dropped_items_total 1.0" in page


def test_sigterm_drains(stub: StartStub) -> None:
    running = stub(drain_seconds=8)
    hold = running.folder / "hold"
    with ThreadPoolExecutor(2) as pool:
        hold.touch()
        under_way = pool.submit(post, running, "under way")
        until(waiting(running, 1))
        running.process.send_signal(signal.SIGTERM)
        late = pool.submit(post, running, "late")
        until(lambda: httpx.get(f"{running.url}/health/ready").status_code == 503)
        assert httpx.get(f"{running.url}/health/live").status_code == 200  # it serves, but asks for no more
        until(waiting(running, 2))
        hold.unlink()
        assert under_way.result().json()["status"] == "created"
        assert late.result().json()["status"] == "created"
    assert running.process.wait(60) == 0
    assert running.logs()[-1]["event"] == "stopped"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{running.url}/health/live")


def test_a_dead_worker_ends_the_process_and_nobody_waits_for_it(stub: StartStub) -> None:
    running = stub(shutdown_seconds=10)
    hold = running.folder / "hold"
    with ThreadPoolExecutor(3) as pool:
        hold.touch()
        futures = [pool.submit(post, running, f"n{n}") for n in range(3)]
        until(waiting(running, 3))
        (running.folder / "die").touch()
        hold.unlink()
        statuses = {future.result().status_code for future in futures}
    assert statuses == {503}
    assert running.process.wait(60) == BROKEN
    broken = next(line for line in running.logs() if line["event"] == "broken")
    assert (broken["level"], broken["error"][0]) == ("critical", "SystemExit")


def test_a_page_that_is_cut_off_by_the_end_is_told_so_as_a_page(stub: StartStub) -> None:
    running = stub(shutdown_seconds=1)
    with httpx.Client(base_url=running.url, timeout=60) as browser, ThreadPoolExecutor(1) as pool:
        form = browser.get("/console/sign-in").text
        token = form.partition('name="form_token" value="')[2].partition('"')[0]
        browser.post("/console/sign-in", data={"form_token": token, "key": running.admin, "next": "/"})
        (running.folder / "hold").touch()
        page = pool.submit(browser.get, "/?text=rain")
        until(waiting(running, 1))
        running.process.send_signal(signal.SIGTERM)
        answer = page.result()
        (running.folder / "hold").unlink()
    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert "The service is stopping" in answer.text
