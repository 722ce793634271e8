from __future__ import annotations

from functools import partial
from pathlib import Path

import datasets
import pytest
from tests.encoder.compact.small_towers import small_encoder
from tests.evaluation.conftest import note_of

from uninote.corpus.decode import load_picture
from uninote.encoder import Encoder
from uninote.evaluation.suite import Suite, build_suite
from uninote.mteb import write_dataset
from uninote.settings import CorpusSettings

load = partial(load_picture, settings=CorpusSettings())


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the files that `datasets` makes of Parquet out of the user's cache."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets"))


@pytest.fixture(scope="session")
def suite() -> Suite:
    notes = [note_of(n, n % 5, lang=("en", "zh", "")[n % 3]) for n in range(12)]
    return build_suite(notes)


@pytest.fixture(scope="session")
def folder(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(suite, tmp_path_factory.mktemp("mteb") / "dataset", load, "a diary")


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """Untrained encoder that sees pixels and given texts only; a picture's OCR lines are not read."""
    return small_encoder(read="none")
