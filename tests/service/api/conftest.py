"""Real server processes on loopback: one with the compact encoder for all, and fast ones with a stub encoder."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from uninote.store.embedded import EmbeddedServer

STUB = Path(__file__).parent / "stub_server.py"
CLI = [sys.executable, "-c", "from uninote.cli import main; main()"]


@dataclass
class Running:
    """A server process and ways to talk to it."""

    process: subprocess.Popen[bytes]
    folder: Path
    log_file: Path
    url: str
    admin: str
    keys: dict[str, str] = field(default_factory=dict)

    def client(self, role: str = "admin") -> httpx.Client:
        """A client with a key of that role; `public` has none."""
        headers = {} if role == "public" else {"Authorization": f"Bearer {self.key(role)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def key(self, role: str) -> str:
        if role == "admin":
            return self.admin
        if role not in self.keys:
            with self.client() as client:
                made = client.post("/v1/keys", json={"name": f"tests {role}", "role": role})
                self.keys[role] = made.raise_for_status().json()["key"]
        return self.keys[role]

    def logs(self) -> list[dict[str, Any]]:
        """Every line, which must be a JSON object."""
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]

    def stop(self, seconds: float = 30) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


def start(command: list[str], folder: Path, log_file: Path) -> Running:
    """Start it and wait until it says where it listens."""
    process = subprocess.Popen(command, stderr=log_file.open("wb"), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        for line in log_file.read_text().splitlines():
            if '"event": "serving"' in line:
                port = json.loads(line)["port"]
                admin = (folder / "admin.key").read_text().strip()
                running = Running(process, folder, log_file, f"http://127.0.0.1:{port}", admin)
                _wait_until_ready(running, deadline)
                return running
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"the server did not start:\n{log_file.read_text()}")


def _wait_until_ready(running: Running, deadline: float) -> None:
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{running.url}/health/live").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.02)


def new_database(server: EmbeddedServer, template: str, name: str) -> str:
    with psycopg.connect(server.address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY wal_log")
    return server.address.replace("/postgres?", f"/{name}?")


StartStub = Callable[..., Running]


@pytest.fixture
def stub(address: str, tmp_path: Path) -> Iterator[StartStub]:
    """`stub(**service settings)`: a server whose encoder is a hash; control it by the files it watches."""
    started: list[Running] = []

    def begin(**options: object) -> Running:
        folder = tmp_path / f"served{len(started)}"
        (folder / "model").mkdir(parents=True)
        (folder / "model" / "uninote.json").write_text("{}")
        command = [sys.executable, str(STUB), str(folder), address, json.dumps(options)]
        started.append(start(command, folder, folder / "log"))
        return started[-1]

    yield begin
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A served folder with an untrained compact model."""
    from uninote.encoder import Encoder
    from uninote.settings import EncoderSettings

    folder = tmp_path_factory.mktemp("served")
    Encoder.compact(EncoderSettings(max_tokens=48)).save(folder / "model")
    return folder


@pytest.fixture(scope="session")
def real(server: EmbeddedServer, template: str, model_folder: Path) -> Iterator[Running]:
    """`uninote serve` with the compact encoder; shared, so tests use names of their own."""
    address = new_database(server, template, "real")
    command = [*CLI, "serve", "--index", str(model_folder), "--port", "0", "--set", f"store.address={address}"]
    running = start(command, model_folder, model_folder / "log")
    yield running
    running.stop()


@pytest.fixture
def admin(real: Running) -> Iterator[httpx.Client]:
    with real.client() as client:
        yield client
