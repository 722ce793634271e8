"""Errors for missing extras, which name all of them and nothing else."""

from __future__ import annotations

import sys

import pytest

from uninote.errors import ConfigError, MissingExtraError
from uninote.extras import EXTRAS, named, needs, require


def test_what_is_installed_passes() -> None:
    require(*EXTRAS)


def test_all_missing_extras_are_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("psycopg", "av"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"'uninote\[store,video\]' \(not installed: psycopg, av\)"):
        require("redis", "store", "video")


def test_an_import_that_fails_in_the_block_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(MissingExtraError, match=r"uninote\[redis\]"), needs("redis"):
        import redis  # noqa: F401


def test_a_module_is_traced_to_its_extra_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)  # also in `service`
    with pytest.raises(MissingExtraError, match=r"uninote\[store\]"), named():
        import psycopg.sql  # noqa: F401
    with pytest.raises(ModuleNotFoundError) as caught, named():
        import no_such_module  # type: ignore[import-not-found]  # noqa: F401
    assert not isinstance(caught.value, MissingExtraError)


def test_the_error_is_a_configuration_error_and_an_import_error() -> None:
    assert issubclass(MissingExtraError, ConfigError)
    assert issubclass(MissingExtraError, ImportError)
