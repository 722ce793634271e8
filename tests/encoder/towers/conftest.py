"""Folders of tiny models, each made once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`tiny("clip")`: the folder of what `save_clip` of `models.py` makes."""
    from tests.encoder.towers import models  # not before it is wanted: it loads many models

    @cache
    def build(kind: str) -> Path:
        return models.seeded(getattr(models, f"save_{kind}"), tmp_path_factory.mktemp("tower") / kind)

    return build
