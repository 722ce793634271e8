"""Layout of stored vectors by the model's dimensions, the options and the kind of store."""

from __future__ import annotations

from typing import Any

import pytest

from uninote.errors import ConfigError
from uninote.settings import MODEL_DIMS, StoreSettings
from uninote.store.layout import Layout, layout_of

SMALL, QWEN_2B, QWEN_8B = (64, 128, 256, 384), MODEL_DIMS[:-1], MODEL_DIMS


@pytest.mark.parametrize(
    ("dims", "options", "layout"),
    [
        (SMALL, {}, (384, "single", "hnsw")),
        ((2000,), {}, (2000, "single", "hnsw")),
        ((2001,), {}, (2001, "half", "hnsw")),
        (QWEN_2B, {}, (2048, "half", "hnsw")),
        (QWEN_8B, {}, (2048, "half", "hnsw")),
        ((4000,), {}, (4000, "half", "hnsw")),
        ((4001,), {}, (4001, "single", "exact")),  # no Matryoshka dimension
        (QWEN_8B, {"dims": 4096}, (4096, "single", "exact")),
        (QWEN_8B, {"dims": 4096, "precision": "half"}, (4096, "half", "exact")),
        (QWEN_8B, {"index": "exact"}, (4096, "single", "exact")),
        (QWEN_8B, {"index": "hnsw"}, (2048, "half", "hnsw")),
        (QWEN_8B, {"precision": "single"}, (1024, "single", "hnsw")),
        (QWEN_2B, {"dims": 64}, (64, "single", "hnsw")),
        (SMALL, {"precision": "half", "index": "exact"}, (384, "half", "exact")),
        (QWEN_8B, {"address": "memory"}, (4096, "single", "hnsw")),
        (QWEN_8B, {"address": "milvus://host"}, (4096, "single", "hnsw")),
        ((64, 40_000), {"address": "milvus://host"}, (64, "single", "hnsw")),
    ],
)
def test_the_widest_that_fits(dims: tuple[int, ...], options: dict[str, Any], layout: Any) -> None:
    assert layout_of(dims, StoreSettings(**options)) == Layout(*layout)


@pytest.mark.parametrize(
    ("dims", "options", "says"),
    [
        (SMALL, {"dims": 100}, "store.dims=100 .* choose one of 64, 128, 256, 384"),
        (
            QWEN_8B,
            {"dims": 4096, "index": "hnsw"},
            "2000 in single precision and 4000 in half precision at most, not 4096 dimensions: "
            "set store.dims to one of 64, 512, 1024, 2048, or set store.index=exact",
        ),
        (
            (3000,),
            {"precision": "single", "index": "hnsw"},
            "set store.precision=half, or set store.index=exact",
        ),
        ((4096,), {"index": "hnsw"}, "not 4096 dimensions: set store.index=exact$"),
        ((20_000,), {}, "not 20000 dimensions: train a model with narrower encoder.dims"),
        (SMALL, {"address": "memory", "precision": "half"}, "half is for PostgreSQL, not.* memory"),
        (SMALL, {"address": "milvus://h", "precision": "half"}, "half is for PostgreSQL, not.* milvus"),
    ],
)
def test_an_impossible_choice_names_the_ways_out(
    dims: tuple[int, ...], options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        layout_of(dims, StoreSettings(**options))
