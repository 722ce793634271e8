import pytest
from hypothesis import given
from hypothesis import strategies as st

from uninote.tasks.chunks import chunks


def cost(text: str) -> int:
    return sum(3 if ord(char) > 0x2E80 else 1 for char in text)


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("", 10, ()),
        (" \n ", 10, ()),
        ("One two.", 10, ("One two.",)),
        ("One. Two. Three.", 9, ("One. Two.", "Three.")),
        ("One. Two. Three.", 8, ("One.", "Two.", "Three.")),
        ("One.\n\nTwo.", 10, ("One.\n\nTwo.",)),
        ("a line\nanother", 7, ("a line", "another")),
        ("version 1.5 of it", 12, ("version 1.5", "of it")),
        ("Five words are too many. Go on.", 12, ("Five words", "are too", "many. Go on.")),
        ("Go. Five words are many. On.", 12, ("Go.", "Five words", "are many.", "On.")),
        ("unbrokenword", 5, ("unbro", "kenwo", "rd")),
        ("她说好。我也好。", 12, ("她说好。", "我也好。")),
        ("她说好。我也好。", 24, ("她说好。我也好。",)),
        ("她说的好", 6, ("她说", "的好")),
        ("A 好 and so", 5, ("A 好", "and", "so")),
    ],
)
def test_by_hand(text: str, limit: int, expected: tuple[str, ...]) -> None:
    assert chunks(text, limit) == expected


WORDS = st.sampled_from(["a", "Word", "sentence.", "why?", "中文", "好。", "吗？", "1.5", "\n", "\n\n", "\t"])
SPACED = st.lists(WORDS, max_size=40).map(" ".join)
LIMITS = st.integers(3, 60)


@given(SPACED | st.text(max_size=80), LIMITS)
def test_chunks_fit_and_hold_everything_but_white_space_in_order(text: str, limit: int) -> None:
    made = chunks(text, limit)
    assert all(cost(chunk) <= limit and chunk == chunk.strip() != "" for chunk in made)
    assert "".join("".join(made).split()) == "".join(text.split())


@given(SPACED, st.integers(9, 60))
def test_words_stay_whole(text: str, limit: int) -> None:
    assert " ".join(chunks(text, limit)).split() == text.split()


@given(st.lists(st.integers(2, 20), max_size=12), st.integers(20, 60))
def test_a_chunk_is_filled_before_the_next_begins(lengths: list[int], limit: int) -> None:
    filled: list[str] = []
    for sentence in ("a" * (length - 1) + "." for length in lengths):
        if filled and len(filled[-1]) + 1 + len(sentence) <= limit:
            filled[-1] += " " + sentence
        else:
            filled.append(sentence)
    assert list(chunks(" ".join(filled), limit)) == filled


@given(SPACED, LIMITS)
def test_a_chunk_is_one_chunk(text: str, limit: int) -> None:
    assert all(chunks(chunk, limit) == (chunk,) for chunk in chunks(text, limit))
