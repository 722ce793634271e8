"""What several rooms share: a tiny random model of the Qwen-VL family in a folder."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

BUILDER = Path(__file__).parent / "encoder" / "tiny_qwen.py"


@pytest.fixture(scope="session")
def tiny_qwen(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`tiny_qwen(kind="qwen3", seed=0)`: the folder of that model, built once."""
    spec = importlib.util.spec_from_file_location("tiny_qwen", BUILDER)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    @cache
    def build(kind: str = "qwen3", seed: int = 0) -> Path:
        folder: Path = module.build_tiny_qwen(tmp_path_factory.mktemp(f"tiny-{kind}-{seed}"), kind, seed)
        return folder

    return build
