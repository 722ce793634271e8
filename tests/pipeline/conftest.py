from pathlib import Path

import pytest

from uninote.sample.notes import write_sample


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small built-in sample, as notes.jsonl."""
    return write_sample(tmp_path_factory.mktemp("sample"), 36, seed=3)
