"""Elements: what an item is cut into, and what fits into the budget."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from uninote.encoder.compact.elements import PICTURE_TOKENS, Element, Kind, elements_of
from uninote.items import Item, Ocr, Picture


def words(text: str) -> int:
    return len(text.split())


A, B = Picture("a"), Picture("b")


def test_elements_in_the_order_of_the_item() -> None:
    item = Item.of("One two. Three four.", A, Ocr("read in a", "a"), B)
    found = elements_of(item, words, 1000, 10)
    assert found.kept == (
        Element(Kind.TEXT, "One two."),
        Element(Kind.TEXT, "Three"),
        Element(Kind.TEXT, "four."),
        Element(Kind.PICTURE, A),
        Element(Kind.OCR, "read in a"),
        Element(Kind.PICTURE, B),
    )
    assert found.tokens == found.whole == 4 + 3 + 2 * PICTURE_TOKENS


def test_a_long_body_cuts_neither_the_title_nor_the_first_pictures() -> None:
    item = Item.of("a short title", "word " * 1000, A, B)
    found = elements_of(item, words, 300, 50)
    assert found.whole == 3 + 1000 + 2 * PICTURE_TOKENS
    assert found.kept[0].content == "a short title"
    assert [one.content for one in found.kept if one.kind == Kind.PICTURE] == [A, B]
    assert 300 - 10 < found.tokens <= 300


def test_many_pictures_leave_half_of_the_budget_to_the_texts() -> None:
    pictures = [Picture(str(n)) for n in range(20)]
    found = elements_of(Item.of("word " * 1000, *pictures), words, 640, 50)
    assert [one.content for one in found.kept if one.kind == Kind.PICTURE] == pictures[:5]
    assert found.tokens <= 640
    alone = elements_of(Item.of(*pictures), words, 640, 50)
    assert [one.content for one in alone.kept] == pictures[:10]


def test_one_element_is_left_whatever_the_budget() -> None:
    assert len(elements_of(Item.of("word " * 400), words, 64, 2000).kept) == 1
    assert elements_of(Item.of("\u200b"), words, 64, 50).kept == (Element(Kind.TEXT, "\u200b"),)


PARTS = st.lists(
    st.one_of(
        st.integers(0, 5).map(lambda n: Picture(str(n))),
        st.text(min_size=1, max_size=400).filter(str.strip),
        st.integers(0, 5).map(lambda n: Ocr(f"read {n}. " * (n + 1), str(n))),
    ),
    min_size=1,
    max_size=8,
)


@given(PARTS, st.integers(256, 900))
def test_budget_and_order(parts: list[str | Picture], budget: int) -> None:
    item = Item(tuple(parts))
    found = elements_of(item, words, budget, 60)
    whole = elements_of(item, words, 10**6, 60)
    assert found.kept
    assert found.tokens <= budget or len(found.kept) == 1
    assert (found.kept == whole.kept) == (found.tokens == whole.tokens)
    rest = iter(whole.kept)
    assert all(one in rest for one in found.kept)  # a subsequence: nothing is moved
