"""Comparison of pgvector versions by number."""

from __future__ import annotations

import pytest

from uninote.errors import StoreError
from uninote.store.pgvector.version import check_version


def test_versions_compare_by_number() -> None:
    for version in ("0.8", "0.8.1", "0.10.0", "1.0"):
        check_version(version)
    for version in ("0.0", "0.7.4"):
        with pytest.raises(StoreError, match=f"pgvector {version} is too old.*0.8 or newer"):
            check_version(version)
