"""Options of the store against those that an index was made with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from uninote.errors import ConfigError
from uninote.settings import StoreSettings
from uninote.store.layout import layout_of
from uninote.store.manifest import check_layout, check_place, read_manifest

MADE = {"dim": 2048, "precision": "half", "index": "exact"}


@pytest.mark.parametrize("options", [{}, {"dims": 2048}, {"precision": "auto"}, {"index": "exact"}])
def test_an_index_keeps_its_layout(options: dict[str, Any]) -> None:
    kept = check_layout(StoreSettings(**options), MADE, "i")
    assert (kept.dims, kept.precision, kept.index) == (2048, "half", "exact")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"dims": 64}, "made with store.dims=2048, not 64"),
        ({"precision": "single"}, "made with store.precision=half, not single"),
        ({"index": "hnsw"}, "made with store.index=exact, not hnsw"),
    ],
)
def test_another_option_than_it_was_made_with_names_both(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        check_layout(StoreSettings(**options), MADE, "i")


def test_an_index_of_an_earlier_release_is_single_and_takes_the_index_that_is_asked_for() -> None:
    for index in ("hnsw", "exact"):
        kept = check_layout(StoreSettings(index=index), {"dim": 384}, "i")  # type: ignore[arg-type]
        assert (layout_of([384], kept).precision, layout_of([384], kept).index) == ("single", index)
    assert layout_of([4096], check_layout(StoreSettings(), {"dim": 4096}, "i")).index == "exact"


def test_the_place_must_be_of_the_kind_that_was_filled(tmp_path: Path) -> None:
    server = "postgresql://user@host/db"
    for address in ("", server, "milvus://host"):
        check_place({}, tmp_path, address)  # of an earlier release
    check_place({"store": "embedded"}, tmp_path, "")
    check_place({"store": "embedded"}, tmp_path, server)  # its database may have moved there
    check_place({"store": "postgresql"}, tmp_path, server)
    for made, address, says in (
        ("postgresql", "", "loaded into a postgresql store, not embedded: set store.address"),
        ("milvus", server, "loaded into a milvus store, not postgresql"),
        ("embedded", "milvus://host", "database of its own, not milvus: leave store.address out"),
        ("memory", "memory", "in memory only"),
    ):
        with pytest.raises(ConfigError, match=says):
            check_place({"store": made}, tmp_path, address)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": "v", "dim": null}'])
def test_a_folder_without_a_readable_manifest_holds_no_index(tmp_path: Path, content: str) -> None:
    assert read_manifest(tmp_path) is None
    (tmp_path / "index.json").write_text(content)
    assert read_manifest(tmp_path) is None
    (tmp_path / "index.json").write_text(json.dumps({"version": "v", "dim": 3}))
    assert read_manifest(tmp_path) == {"version": "v", "dim": 3}
