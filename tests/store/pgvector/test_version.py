"""Check of the database: version of pgvector by number, and encoding."""

from __future__ import annotations

import pytest

from uninote.errors import StoreError
from uninote.store.pgvector.version import check_database


def test_versions_compare_by_number() -> None:
    for version in ("0.8", "0.8.1", "0.10.0", "1.0"):
        check_database(version, "UTF8")
    for version in ("0.0", "0.7.4"):
        with pytest.raises(StoreError, match=f"pgvector {version} is too old.*0.8 or newer"):
            check_database(version, "UTF8")


def test_another_encoding_is_refused_with_the_way_out() -> None:
    with pytest.raises(StoreError, match=r"texts in LATIN1.*ENCODING 'UTF8'.*store.address"):
        check_database("0.8.1", "LATIN1")
