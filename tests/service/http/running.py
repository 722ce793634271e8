"""A server process and ways to talk to it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx


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
        """Return a client with a key of that role; `public` has none."""
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
        """Return every line, which must be a JSON object."""
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]

    def stop(self, seconds: float = 120) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


def start(command: list[str], folder: Path, log_file: Path) -> Running:
    """Start it and wait until it says where it listens."""
    process = subprocess.Popen(command, stderr=log_file.open("wb"), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and process.poll() is None:
        for line in log_file.read_text().splitlines():
            # Of replicas that start together one writes the key, maybe a moment after another serves.
            if '"event": "serving"' in line and (folder / "admin.key").exists():
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
