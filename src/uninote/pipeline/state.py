"""State of a run: finished steps, from which the next run resumes."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from uninote.files import write_atomic
from uninote.items import Note

Json = dict[str, Any]


def fingerprint(notes: Iterable[Note], *settings: object) -> str:
    """Hash the inputs of a run: the release, contents of the notes, and settings or sections of them."""
    digest = hashlib.sha256(f"{version('uninote')} {settings!r}".encode())
    for note in notes:
        pictures = [(p.digest, p.description, p.ocr) for p in note.pictures]
        digest.update(repr((note.id, note.title, note.body, note.category, note.links, pictures)).encode())
    return digest.hexdigest()[:16]


class RunState:
    """Finished steps as one small JSON file each, under `<folder>/state/<fingerprint>`.

    A step is finished when its file exists; files are written atomically, so after a kill a step is either
    finished or not begun. Other notes or settings have another fingerprint, and start from the beginning.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder / "state" / key
        for stale in (folder / "state").glob("*"):
            if stale != self.folder and stale.is_dir():
                shutil.rmtree(stale)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.seconds: dict[str, float] = {}

    def path(self, name: str) -> Path:
        """Return the folder for files that the step `name` keeps next to its result."""
        return self.folder / name

    def step(self, name: str, work: Callable[[], Json], *depends: object) -> Json:
        """Return the result of a finished step, or of `work()`, which is then kept with its duration.

        `depends`: settings of this step alone; when they change, only this step is run again.
        """
        file = self.folder / (f"{name}-{fingerprint((), *depends)}.json" if depends else f"{name}.json")
        if file.is_file():
            done = json.loads(file.read_text())
        else:
            started = time.monotonic()
            result = work()
            done = {"result": result, "seconds": round(time.monotonic() - started, 2)}
            with write_atomic(file) as partial:
                partial.write_text(json.dumps(done))
        self.seconds[name] = done["seconds"]
        outcome: Json = done["result"]
        return outcome
