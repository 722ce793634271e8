"""Folders of tiny models, each made once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cache of the graphs of these tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(params=["torch", pytest.param("onnxruntime", marks=pytest.mark.slow)])
def runtime(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, graphs: Path) -> str:
    """Runtime of the towers that the test loads, where their network can be exported."""
    if request.param == "onnxruntime":
        monkeypatch.delenv("UNINOTE_TOWERS", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(graphs))
    return str(request.param)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`tiny("clip")`: the folder of what `save_clip` of `models.py` makes."""
    from tests.encoder.towers import models  # not before it is wanted: it loads many models

    @cache
    def build(kind: str) -> Path:
        return models.seeded(getattr(models, f"save_{kind}"), tmp_path_factory.mktemp("tower") / kind)

    return build
