"""Server processes for `online_load.py`: the service with precomputed vectors, or with its own encoder."""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from corpus_vectors import Corpus
from numpy.typing import NDArray

from uninote.errors import ItemError
from uninote.items import Item
from uninote.settings import load_settings
from uninote.tasks.definitions import Task

DIM, VECTORS = 512, 20_000
VERSION = "stub"


def precomputed(samples: int) -> NDArray[np.float32]:
    """Draw vectors of notes [VECTORS, DIM] from the same distribution as the gallery."""
    return Corpus(samples, DIM).queries(VECTORS)


class Backbone:
    def cost(self, item: Item, instruction: str = "") -> int:
        return 50


class Precomputed:
    """Encoder that returns the row of a matrix that the first word of the item's text names."""

    version = VERSION
    dims = (DIM,)
    backbone = Backbone()
    uses_instructions = False

    def __init__(self, rows: NDArray[np.float32]) -> None:
        self._rows = rows

    def encode(
        self, items: Sequence[Item], *, task: Task | None, failures: dict[int, ItemError]
    ) -> NDArray[np.float32]:
        return self._rows[[place_of(item.texts[0]) for item in items]]


def place_of(title: str) -> int:
    return int(title.split(" ", 1)[0]) if title[:1].isdigit() else 0  # the probe of readiness is no note


def serve(folder: Path, samples: int, options: dict[str, Any]) -> None:
    """Run the service with the precomputed vectors as its encoder."""
    from uninote.service.main.server import serve as run

    rows = precomputed(samples)
    sys.exit(run(load_settings(service=options), folder, lambda _: Precomputed(rows), "127.0.0.1", 0))


class Server:
    """A service process; `with` ends it."""

    def __init__(self, command: list[str], folder: Path) -> None:
        log = folder / "server.log"
        with log.open("wb") as out:
            self.process = subprocess.Popen(command, stderr=out, stdout=subprocess.DEVNULL)
        self.url, deadline = "", time.monotonic() + 1200
        while not self.url and self.process.poll() is None and time.monotonic() < deadline:
            for line in log.read_text().splitlines():
                if '"event": "serving"' in line:
                    self.url = f"http://127.0.0.1:{json.loads(line)['port']}"
            time.sleep(0.05)
        if not self.url:
            self.process.kill()
            raise RuntimeError(f"the server did not start: {log.read_text()[-2000:]}")
        place = ("127.0.0.1", int(self.url.rpartition(":")[2]))
        while self.process.poll() is None:  # it prints the address before it listens
            with suppress(OSError), socket.create_connection(place):
                break
            time.sleep(0.05)
        self.key = (folder / "admin.key").read_text().strip()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(120)


def stub_command(folder: Path, samples: int, options: dict[str, Any]) -> list[str]:
    given = ["--out", str(folder), "--samples", str(samples), "--options", json.dumps(options)]
    return [sys.executable, __file__, *given]


def compact_command(folder: Path, options: dict[str, Any]) -> list[str]:
    """Return the command `uninote serve` with the model of the folder."""
    given = [part for name, value in options.items() for part in ("--set", f"service.{name}={value}")]
    cli = [sys.executable, "-c", "from uninote.cli import main; main()"]
    return [*cli, "serve", "--index", str(folder), "--port", "0", *given]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--samples", type=int, required=True)
    parser.add_argument("--options", type=json.loads, default={})
    arguments = parser.parse_args()
    serve(arguments.out, arguments.samples, arguments.options)
