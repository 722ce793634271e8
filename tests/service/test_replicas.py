"""Two real services on one database behind a real nginx; one of them is killed under load."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import httpx
import psycopg
import pytest
from tests.debian import program
from tests.service.http.conftest import CLI, new_database
from tests.service.http.running import Running, start

from uninote.store.embedded import EmbeddedServer

CONF = Path(__file__).parents[2] / "docker" / "nginx" / "nginx.conf"
NOTES = 60
CALLERS = 6


class Nginx:
    """The project's own configuration on a free port of the loopback interface."""

    def __init__(self, folder: Path, replicas: list[str]) -> None:
        nginx = program("nginx", "nginx-light")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        shutil.copy(CONF, folder)
        servers = [f"server {url.removeprefix('http://')} max_fails=1 fail_timeout=5s;" for url in replicas]
        (folder / "replicas.conf").write_text("\n".join(servers))
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = [f"{kind}_temp_path {folder}/{kind};" for kind in kinds]
        listen = [f"listen {self.url.removeprefix('http://')};", *paths]
        (folder / "listen.conf").write_text("\n".join(listen))
        user = "user root; " if os.geteuid() == 0 else ""  # its workers must reach the test's folder
        line = [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf")]
        line += ["-g", f"{user}daemon off; pid {folder}/pid;"]
        checked = subprocess.run([*line, "-t"], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        self._log = folder / "nginx.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(line, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"{self.url}/health/live")
                return
            except httpx.TransportError:
                assert self._process.poll() is None, self._log.read_text()
                assert time.monotonic() < deadline, self._log.read_text()
                time.sleep(0.05)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


@dataclass
class Site:
    """The proxy, its two services, and their database."""

    url: str
    replicas: list[Running]
    address: str

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.address) as connection:
            return connection.execute(statement).fetchall()  # type: ignore[arg-type]

    def served(self, replica: Running) -> float:
        """Return the number of notes that this replica was sent."""
        with replica.client() as client:
            lines = client.get("/metrics").text.splitlines()
        name = 'uninote_requests_total{method="POST",route="/v1/notes"'
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


@pytest.fixture(scope="module")
def site(server: EmbeddedServer, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    from uninote.encoder import Encoder
    from uninote.settings import EncoderSettings

    folder = tmp_path_factory.mktemp("replicas")
    Encoder.compact(EncoderSettings(max_tokens=256)).save(folder / "model")
    address = new_database(server, template, "replicas")
    options = ["--index", str(folder), "--port", "0", "--set", f"store.address={address}"]
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:

        def begin(number: int) -> Running:
            running = start([*CLI, "serve", *options], folder, folder / f"log-{number}")
            stack.callback(running.process.kill)
            return running

        replicas = list(pool.map(begin, range(2)))  # together, as a deployment starts them
        nginx = Nginx(tmp_path_factory.mktemp("nginx"), [one.url for one in replicas])
        stack.callback(nginx.stop)
        yield Site(nginx.url, replicas, address)


@dataclass
class Load:
    """Callers that store notes through the proxy and repeat what was not answered, as clients should."""

    url: str
    key: str
    acknowledged: dict[str, dict[str, Any]] = field(default_factory=dict)
    repeated: int = 0
    lock: Lock = field(default_factory=Lock)

    def run(self, ids: list[str], on_progress: Callable[[int], None]) -> None:
        with ThreadPoolExecutor(CALLERS) as pool:
            for done in [pool.submit(self._store, one, on_progress) for one in ids]:
                done.result()

    def _store(self, note_id: str, on_progress: Callable[[int], None]) -> None:
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": f"key-{note_id}"}
        note = {"id": note_id, "title": f"rain in the streets, {note_id}"}
        deadline = time.monotonic() + 120
        while True:
            try:
                answer = httpx.post(f"{self.url}/v1/notes", json=note, headers=headers, timeout=60)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == 200:
                break
            assert answer is None or answer.status_code in (429, 502, 503, 504), answer.text
            assert time.monotonic() < deadline
            with self.lock:
                self.repeated += 1
            time.sleep(0.1)
        with self.lock:
            self.acknowledged[note_id] = answer.json()
            count = len(self.acknowledged)
        on_progress(count)


def test_a_replica_that_is_killed_under_load_costs_no_note_and_doubles_none(site: Site) -> None:
    one, two = site.replicas
    headers = {"Authorization": f"Bearer {one.admin}"}
    with httpx.Client(base_url=site.url, headers=headers, timeout=60) as client:
        client.put("/v1/categories/weather", json={"description": "bad"}).raise_for_status()
        sample = {"category": "weather", "text": "heavy rain"}
        client.post("/v1/samples", json={"samples": [sample]}).raise_for_status()
        client.put("/v1/thresholds", json={"category": "weather", "value": -1}).raise_for_status()
        assert client.get("/metrics").status_code == 404  # each replica has its own
    _idempotency_holds_across(one, two)
    load = Load(site.url, one.admin)
    before = [site.served(each) for each in site.replicas]
    killed_at: list[int] = []
    deciding = Lock()

    def at(count: int) -> None:
        """Kill one in the middle, once the proxy has sent notes to both."""
        with deciding:
            if killed_at or count < NOTES // 2:
                return
            if all(site.served(each) > known for each, known in zip(site.replicas, before, strict=True)):
                one.process.kill()
                killed_at.append(count)

    load.run([f"n{number}" for number in range(NOTES)], at)
    assert killed_at, "the proxy sent no notes to one of the replicas"
    assert killed_at[0] < NOTES
    assert one.process.wait(60) == -9
    assert len(load.acknowledged) == NOTES
    assert all(len(answer["hits"]) == 1 for answer in load.acknowledged.values())
    stored = {row[0] for row in site.rows("SELECT id FROM service.notes")}
    assert stored == load.acknowledged.keys() | {"twice"}
    total = NOTES + 1
    matches = "SELECT count(*), count(DISTINCT note_id) FROM service.matches"
    assert site.rows(matches) == [(total, total)]
    created = "SELECT count(*), count(DISTINCT subject) FROM service.audit WHERE action = 'note.create'"
    assert site.rows(created) == [(total, total)]
    assert site.rows("SELECT count(*) FROM service.vectors") == [(total,)]
    with httpx.Client(base_url=site.url, headers=headers, timeout=60) as client:
        for _ in range(4):  # one replica answers, whichever the proxy asks
            found = client.post("/v1/search", json={"query": {"text": "rain"}, "k": 3}).raise_for_status()
            assert len(found.json()["hits"]) == 3


def _idempotency_holds_across(one: Running, two: Running) -> None:
    body = {"id": "twice", "title": "rain in the streets"}
    key = {"Idempotency-Key": "the-same"}
    with one.client() as first, two.client() as second:
        made = first.post("/v1/notes", json=body, headers=key).raise_for_status().json()
        again = second.post("/v1/notes", json=body, headers=key).raise_for_status().json()
        assert (made["status"], again["status"]) == ("created", "unchanged")
        assert made["hits"] == again["hits"] != []
        other = second.post("/v1/notes", json=body | {"title": "sun"}, headers=key)
        assert other.status_code == 409, other.text
