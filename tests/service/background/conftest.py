"""Fixtures: a real Redis server in its own folder and on its own port, and the stub of the API."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from tests.debian import program
from tests.service.http.conftest import new, stub

__all__ = ["broker", "new", "stub"]


class RedisProcess:
    """Started on creation; every acknowledged write is on disk. `kill` is SIGKILL."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._arguments = [
            *[program, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(folder), "--save", ""],
            *["--appendonly", "yes", "--appendfsync", "always"],
        ]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._arguments, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.client().ping()
                return
            except redis.ConnectionError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=20)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    server = RedisProcess(program("redis-server", "redis-server"), tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()
