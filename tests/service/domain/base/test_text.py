"""Texts that a column can hold."""

from __future__ import annotations

import pytest

from uninote.items import Item, Picture
from uninote.service.domain.base.text import check_name, check_words, storable_item
from uninote.service.errors import InvalidError


def test_good_ones_come_back() -> None:
    assert check_name("a name", "日本 𝄞" * 10) == "日本 𝄞" * 10
    assert check_words("words", "") == ""
    assert check_words("words", "x" * 10_000) == "x" * 10_000


@pytest.mark.parametrize("name", ["", "  ", "x" * 257, "a\0", "\ud800"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidError, match="the label"):
        check_name("the label", name)


def test_long_words_are_refused() -> None:
    with pytest.raises(InvalidError, match="at most 5 characters, not 6"):
        check_words("words", "x" * 6, 5)


def test_an_item_is_storable_with_all_that_was_read_from_it() -> None:
    assert storable_item(Item.of("a", Picture.from_bytes(b"\0", description="b", ocr=("c",))))
    pictures = Picture.from_bytes(b"", description="\0"), Picture.from_bytes(b"", ocr=("\ud800",))
    assert not any(storable_item(Item.of(bad)) for bad in ("\0", *pictures))
