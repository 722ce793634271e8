"""Shared storage: files that every machine must see under the same path."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

from uninote.errors import ConfigError
from uninote.items import Picture


def require_folders(pictures: Iterable[Picture]) -> None:
    """Raise ConfigError for a folder that this machine lacks; its pictures must not count as bad ones."""
    for folder in {picture.path.parent for picture in pictures if picture.path and picture.data is None}:
        if not folder.is_dir():
            raise unseen(folder)


def unseen(folder: Path) -> ConfigError:
    return ConfigError(
        f"{socket.gethostname()} does not see {folder} as the machine that started the run does: "
        "put it on storage that all machines of the cluster share"
    )
