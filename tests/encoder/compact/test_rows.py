"""Cache of rows: in memory, on disk, after damage and after a kill."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

from uninote.encoder.compact import rows as module
from uninote.encoder.compact.rows import Row, RowCache, key_of


def rows(*numbers: int) -> dict[bytes, Row]:
    return {key_of(str(n)): np.full(4, n, dtype=np.float16) for n in numbers}


def test_rows_of_another_process_are_found_on_disk(tmp_path: Path) -> None:
    first = RowCache(tmp_path)
    first.put(rows(1, 2))
    first.put(rows(3))
    assert len(list(tmp_path.glob("*.safetensors"))) == 2
    second = RowCache(tmp_path)
    assert len(second) == 3
    for n in (1, 2, 3):
        found = second.get(key_of(str(n)))
        assert found is not None
        assert found.tolist() == [n] * 4
    assert second.get(key_of("4")) is None


def test_memory_is_bounded_unless_more_is_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MEMORY", 2)
    cache = RowCache()
    cache.put(rows(1, 2, 3))
    assert [key_of(str(n)) in cache for n in (1, 2, 3)] == [False, True, True]
    cache.reserve(3)
    cache.put(rows(1))
    assert all(key_of(str(n)) in cache for n in (1, 2, 3))


def test_a_forgotten_row_is_read_from_disk_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MEMORY", 1)
    cache = RowCache(tmp_path)
    cache.put(rows(1, 2))
    for n in (1, 2, 1):
        found = cache.get(key_of(str(n)))
        assert found is not None
        assert found.tolist() == [n] * 4


@pytest.mark.parametrize("damage", ["empty", "cut", "garbage"])
def test_a_damaged_shard_is_dropped_and_the_rest_kept(tmp_path: Path, damage: str) -> None:
    cache = RowCache(tmp_path)
    cache.put(rows(1))
    cache.put(rows(2))
    shard = tmp_path / f"{key_of('1').hex()}.safetensors"
    data = shard.read_bytes()
    shard.write_bytes({"empty": b"", "cut": data[:-7], "garbage": b"\x00" * len(data)}[damage])
    again = RowCache(tmp_path)
    assert key_of("1") not in again
    assert key_of("2") in again
    again.put(rows(1))
    assert key_of("1") in RowCache(tmp_path)


def test_partial_files_are_ignored(tmp_path: Path) -> None:
    RowCache(tmp_path).put(rows(1))
    shard = next(tmp_path.glob("*.safetensors"))
    shard.rename(shard.with_suffix(".1.partial"))
    assert len(RowCache(tmp_path)) == 0


def test_copies_share_the_rows() -> None:
    cache = RowCache()
    assert copy.deepcopy([cache])[0] is cache


def test_a_text_that_is_no_unicode_has_a_key() -> None:
    assert key_of("\ud800") != key_of("?")


def test_a_row_on_disk_that_is_not_finite_is_computed_again(tmp_path: Path) -> None:
    RowCache(tmp_path).put(rows(1) | {key_of("bad"): np.array([1, np.nan, 0, 0], np.float16)})
    cache = RowCache(tmp_path)
    assert cache.get(key_of("bad")) is None
    assert cache.get(key_of("1")) is not None
