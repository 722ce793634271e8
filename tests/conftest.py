"""Shared fixtures: the mark of slow tests, and a tiny random model of the Qwen-VL family."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

# An export of a tower's graph takes seconds; tests of the graphs take the variable away.
os.environ.setdefault("UNINOTE_TOWERS", "torch")

PROCESSES = {"broker", "milvus", "nodes", "playwright", "real", "site", "stub", "wheel"}
"""Fixtures that start a server, a browser or a cluster, or make environments: each takes seconds."""


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Mark the tests that use such a fixture; put the files with most slow tests first.

    Files are shared out in this order, so the short ones come last and no process waits long for another.
    """
    slow: Counter[Path] = Counter()
    for item in items:
        if PROCESSES & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)
        slow[item.path] += item.get_closest_marker("slow") is not None
    items.sort(key=lambda item: -slow[item.path])


def pytest_collection_finish() -> None:
    """Leave out of garbage collection what the imports made: trainers collect all, half a second a time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def tiny_qwen(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`tiny_qwen(kind="qwen3", seed=0)`: the folder of that model, built once."""
    from tests.encoder.tiny_qwen import build_tiny_qwen  # not before it is wanted: it loads many models

    @cache
    def build(kind: str = "qwen3", seed: int = 0) -> Path:
        return build_tiny_qwen(tmp_path_factory.mktemp(f"tiny-{kind}-{seed}"), kind, seed)

    return build


@pytest.fixture(scope="module")
def small_towers() -> Iterator[None]:
    """Small towers in place of those that a compact model names: it loads in milliseconds."""
    from tests.encoder.compact.small_towers import small_towers_in_place

    with small_towers_in_place():
        yield


@pytest.fixture
def small_towers_once() -> Iterator[None]:
    """Small towers for one test of a file that also needs those of the package."""
    from tests.encoder.compact.small_towers import small_towers_in_place

    with small_towers_in_place():
        yield
