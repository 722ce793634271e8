"""Annotation cache: values by annotator and digest, kept across openings."""

import pytest

from uninote.annotate.cache import AnnotationCache
from uninote.errors import ConfigError


def test_values_come_back_after_reopening_with_their_types(tmp_path):
    with AnnotationCache(tmp_path / "deep" / "cache") as cache:
        cache.put("describer", {"d1": "一只猫"})
        cache.put("reader", {"d1": ["OPEN", "营业"], "d2": []})
    with AnnotationCache(tmp_path / "deep" / "cache") as cache:
        assert cache.get("describer", ["d1", "d2"]) == {"d1": "一只猫"}
        assert cache.get("reader", ["d1", "d2", "d3"]) == {"d1": ["OPEN", "营业"], "d2": []}
        assert cache.get("another", ["d1"]) == {}


def test_more_digests_than_one_query_holds(tmp_path):
    values = {f"d{number}": f"text {number}" for number in range(1203)}
    with AnnotationCache(tmp_path) as cache:
        cache.put("describer", values)
        assert cache.get("describer", values) == values


def test_second_put_replaces(tmp_path):
    with AnnotationCache(tmp_path) as cache:
        cache.put("describer", {"d": "old"})
        cache.put("describer", {"d": "new"})
        assert cache.get("describer", ["d"]) == {"d": "new"}


def test_foreign_file_is_a_clear_error(tmp_path):
    (tmp_path / "annotations.sqlite3").write_bytes(b"certainly not a database" * 100)
    with pytest.raises(ConfigError, match=r"annotations\.sqlite3"):
        AnnotationCache(tmp_path)


def test_folder_that_is_a_file_is_a_clear_error(tmp_path):
    (tmp_path / "cache").write_text("")
    with pytest.raises(ConfigError, match="cannot be used"):
        AnnotationCache(tmp_path / "cache")
