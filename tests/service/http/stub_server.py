"""A service whose encoder is a hash of the text, and which obeys files in the served folder.

While `hold` is there, every forward pass waits; `die` makes it end the thread of the encoder, `fail` makes it
raise. `passes` gets a line with the size of every batch. With `reads` it reads "weapon" in every picture,
which waits while `hold-reading` is there; `readings` gets a line with the digest.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from uninote.corpus.readers import read_notes
from uninote.corpus.skips import SkipReport
from uninote.encoder.saved import Saved
from uninote.errors import ItemError
from uninote.items import Item, Picture, with_readings
from uninote.service.main.server import serve
from uninote.settings import load_settings
from uninote.tasks.definitions import Task

DIM = 8


class Backbone:
    def cost(self, item: Item, instruction: str = "") -> int:
        return 10


class Stub:
    version = "stub"
    dims = (4, DIM)
    backbone = Backbone()
    uses_instructions = False

    def __init__(self, folder: Path) -> None:
        Saved(folder)  # as the real one, it refuses a folder that does not fit
        self.folder = folder
        if (folder.name) != "model":
            self.version = folder.name

    @property
    def control(self) -> Path:
        return self.folder.parent if self.folder.name == "model" else self.folder.parent.parent

    @property
    def settings(self) -> SimpleNamespace:
        return SimpleNamespace(token_budget=4096, read="all" if (self.control / "reads").exists() else "none")

    def read(self, items: Sequence[Item]) -> list[Item | ItemError]:
        def lines(picture: Picture) -> tuple[str, ...]:
            while (self.control / "hold-reading").exists():
                time.sleep(0.005)
            with (self.control / "readings").open("a") as out:
                out.write(f"{picture.digest}\n")
            return ("weapon",)

        return [with_readings(item, lines) for item in items] if self.settings.read == "all" else list(items)

    def encode(
        self, items: Sequence[Item], *, task: Task | None, failures: dict[int, ItemError]
    ) -> NDArray[np.float32]:
        control = self.control
        while (control / "hold").exists():
            time.sleep(0.005)
        if (control / "die").exists():
            raise SystemExit("told to")
        if (control / "fail").exists():
            raise RuntimeError("the secret message of a failure")
        with (control / "passes").open("a") as out:
            out.write(f"{len(items)}\n")
        return np.stack([vector_of(self.version, item) for item in items])


def vector_of(version: str, item: Item) -> NDArray[np.float32]:
    """Return near vectors for near texts: the first word gives the direction, the rest turns it a little."""
    first, _, rest = " ".join(item.texts).partition(" ")
    main, turn = (_direction(f"{version}{text}") for text in (first, rest))
    vector = main + 0.3 * turn
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _direction(text: str) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    vector = np.random.default_rng(seed).normal(size=DIM)
    return vector / np.linalg.norm(vector)


if __name__ == "__main__":
    folder, address, options = sys.argv[1:]
    given = json.loads(options)
    beside = {name: given.pop(name) for name in ("stream", "cluster") if name in given}
    settings = load_settings(store={"address": address}, service=given, **beside)
    source = Path(folder) / "first.jsonl"
    first = list(read_notes(source, settings.corpus, SkipReport())) if source.exists() else []
    sys.exit(serve(settings, Path(folder), Stub, "127.0.0.1", 0, first))
