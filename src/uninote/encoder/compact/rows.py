"""Row cache: outputs of a frozen tower by content, in memory and on disk.

Shards are safetensors files, written to a temporary name and renamed: a crash leaves whole shards only, and
the next run continues with the rest. Rows are float16, so that a row that was cached equals one that was not.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from cachetools import LRUCache
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from uninote.encoder.shards import write_shard

log = logging.getLogger(__name__)

MEMORY = 16_384
"""Rows kept in memory, unless `reserve` asked for more."""
Row = NDArray[np.float16]


def key_of(content: str) -> bytes:
    """Return the key of a text, or of a picture's digest: 16 bytes."""
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class RowCache:
    """Cache of float16 rows by key; safe to share between threads. Copies of a model share it.

    Args:
        folder: place of the shards, which must belong to one tower; None: memory only.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._recent: LRUCache[bytes, Row] = LRUCache(MEMORY)
        self._stored: dict[bytes, tuple[Any, int]] = {}
        self._lock = Lock()
        for shard in sorted(folder.glob("*.safetensors")) if folder else ():
            self._open(shard)

    def __deepcopy__(self, memo: dict[int, Any]) -> RowCache:
        """Return self."""
        return self

    def _open(self, shard: Path) -> None:
        try:
            handle = safe_open(shard, framework="np")
            keys = handle.get_tensor("keys")
            rows = handle.get_slice("rows")
        except (SafetensorError, OSError) as error:
            log.warning("%s is damaged and will be computed again: %s", shard, error)
            shard.unlink(missing_ok=True)
            return
        self._stored |= {key.tobytes(): (rows, place) for place, key in enumerate(keys)}

    def __len__(self) -> int:
        return len(self._stored.keys() | self._recent.keys())

    def reserve(self, rows: int) -> None:
        """Keep at least this many rows in memory from now on."""
        with self._lock:
            if rows > self._recent.maxsize:
                grown: LRUCache[bytes, Row] = LRUCache(rows)
                grown.update(self._recent)
                self._recent = grown

    def __contains__(self, key: bytes) -> bool:
        return key in self._recent or key in self._stored

    def get(self, key: bytes) -> Row | None:
        """Return the row, None if it was never computed, is forgotten, or is not finite on disk."""
        with self._lock:
            found = self._recent.get(key)
            if found is None and key in self._stored:
                rows, place = self._stored[key]
                read: Row = rows[place : place + 1][0]
                if np.isfinite(read).all():
                    found = self._recent[key] = read
            return found

    def put(self, rows: Mapping[bytes, Row]) -> None:
        """Keep rows in memory, and in a shard of their own where there is a folder."""
        if not rows:
            return
        with self._lock:
            self._recent.update(rows)
            if self.folder is None:
                return
            # Named by its first key: two processes with the same contents write the same shards.
            shard = self.folder / f"{next(iter(rows)).hex()}.safetensors"
            keys = np.stack([np.frombuffer(key, dtype=np.uint8) for key in rows])
            write_shard(
                {"keys": torch.from_numpy(keys), "rows": torch.from_numpy(np.stack(list(rows.values())))},
                shard,
            )
            self._open(shard)
