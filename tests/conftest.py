"""What several rooms share: a tiny random model of the Qwen-VL family in a folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_qwen(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`tiny_qwen(kind="qwen3", seed=0)`: the folder of that model, built once."""
    from tests.encoder.tiny_qwen import build_tiny_qwen  # not before it is wanted: it loads many models

    @cache
    def build(kind: str = "qwen3", seed: int = 0) -> Path:
        return build_tiny_qwen(tmp_path_factory.mktemp(f"tiny-{kind}-{seed}"), kind, seed)

    return build
