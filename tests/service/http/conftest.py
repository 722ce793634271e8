"""Real server processes on loopback: one with the compact encoder, fast ones with a stub."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from tests.service.http.running import Running, start

from uninote.store.embedded import EmbeddedServer

STUB = Path(__file__).parent / "stub_server.py"
CLI = [sys.executable, "-c", "from uninote.cli import main; main()"]


def new_database(server: EmbeddedServer, template: str, name: str) -> str:
    with psycopg.connect(server.address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY wal_log")
    return server.address.replace("/postgres?", f"/{name}?")


StartStub = Callable[..., Running]
_numbers = itertools.count()


@pytest.fixture
def new() -> Callable[[str], str]:
    """A name that no other test has."""
    return lambda word: f"{word}-{next(_numbers)}"


@pytest.fixture
def stub(address: str, tmp_path: Path) -> Iterator[StartStub]:
    """`stub(**service settings)`: a server whose encoder is a hash; control it by the files it watches."""
    started: list[Running] = []

    def begin(**options: object) -> Running:
        folder = tmp_path / "served"
        (folder / "model").mkdir(parents=True, exist_ok=True)
        (folder / "model" / "uninote.json").write_text('{"version": "stub"}')
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
    Encoder.compact(EncoderSettings(vision_side=64, read="given")).save(folder / "model")
    return folder


@pytest.fixture(scope="session")
def real(server: EmbeddedServer, template: str, model_folder: Path) -> Iterator[Running]:
    """`uninote serve` with the compact encoder; shared, so tests use names of their own."""
    address = new_database(server, template, "real")
    command = [
        *CLI,
        "serve",
        "--index",
        str(model_folder),
        "--port",
        "0",
        "--set",
        f"store.address={address}",
    ]
    running = start(command, model_folder, model_folder / "log")
    yield running
    running.stop()


@pytest.fixture
def admin(real: Running) -> Iterator[httpx.Client]:
    with real.client() as client:
        yield client
