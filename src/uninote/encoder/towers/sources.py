"""Sources of towers: packages, local folders and hub ids, and the names that they give to caches."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from uninote.encoder.fingerprint import weights_fingerprint
from uninote.errors import ModelError
from uninote.problems import problem_of

RULES = 1
"""Version of this package's own computing: raised when the same source gives other vectors."""
FILES = ("*.json", "*.safetensors", "*.txt", "*.model")
"""Files that are downloaded from a hub repository, without pickled weights."""


class Source(NamedTuple):
    """A folder with a pretrained model, and a short label of where it is from."""

    folder: Path
    label: str


def find_source(source: str) -> Source:
    """Return the folder of a local path or of a hub id, which is downloaded once.

    Raises ModelError when there is neither.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return Source(folder.resolve(), folder.resolve().name)
    try:
        from huggingface_hub import snapshot_download

        found = snapshot_download(source, allow_patterns=list(FILES))
    except Exception as error:  # the hub's client raises errors of several libraries
        reason = problem_of(error)
        raise ModelError(
            f"no tower {source}: {reason}; name a tower of the package (minilm, e5-small; efficientnet), a "
            "folder with config.json and *.safetensors, or a hub id that can be reached"
        ) from error
    return Source(Path(found), source.replace("/", "-"))


def content_name(source: Source, *settings: Any) -> str:
    """Return a name that changes with the weights, with the JSON files of the folder and with `settings`."""
    digest = hashlib.sha256(repr((RULES, *settings)).encode())
    digest.update(weights_fingerprint(source.folder, "**/*.safetensors").encode())
    for file in sorted(source.folder.glob("**/*.json")):
        digest.update(str(file.relative_to(source.folder)).encode() + b"\0" + file.read_bytes())
    return hashed_name(source.label, digest.hexdigest())


def hashed_name(label: str, digest: str) -> str:
    """Return a name of label and digest that is safe as a file name."""
    return f"{re.sub(r'[^A-Za-z0-9.-]+', '-', label).strip('-.')[:48]}-{digest[:16]}"


def read_json(path: Path) -> Any:
    """Return the content of a JSON file. Raises ModelError when it is missing or damaged."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path} cannot be read: {problem_of(error)}; copy the whole model folder again"
        ) from error
