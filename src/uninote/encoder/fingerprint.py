"""Fingerprint of model weights: a hash of samples, which names what a cache was computed with."""

from __future__ import annotations

import hashlib
from pathlib import Path

SAMPLE = 65_536
SAMPLES = 256


def weights_fingerprint(folder: Path, pattern: str = "*.safetensors") -> str:
    """Hash samples of all weight files: 256 of 64 KiB from each, so a small file is read whole."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob(pattern)):
        size = file.stat().st_size
        digest.update(f"{file.name} {size}".encode())
        with file.open("rb") as stream:
            for start in range(0, size, max(SAMPLE, size // SAMPLES)):
                stream.seek(start)
                digest.update(stream.read(SAMPLE))
    return digest.hexdigest()
