import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uninote.items import Item, Moment, Note, Picture
from uninote.tasks.halves import one_sided, split_note

Make = Callable[..., Picture]


@pytest.fixture
def note(picture: Make) -> Note:
    pictures = tuple(picture(name, f"description of {name}", (f"text {name}",)) for name in "pqrs")
    return Note("n", "Title", "One is here. Two is here! Three is 3.5 long. Four.", pictures)


def test_worked_by_hand(note: Note) -> None:
    """Check that the relevant items are N_B with pictures of A at its end, most first, and N_B alone."""
    halves = split_note(note, 0)
    assert halves is not None
    n_b = halves.relevant[-1]
    a = halves.query.pictures
    assert len(a) == len(n_b.pictures) == 2
    assert [item.parts for item in halves.relevant] == [
        (*n_b.parts, a[0], a[0].ocr_text, a[1], a[1].ocr_text),
        (*n_b.parts, a[0], a[0].ocr_text),
        n_b.parts,
    ]
    bodies = {"One is here. Two is here!", "Three is 3.5 long. Four."}
    texts = [text for item in (halves.query, n_b) for text in item.texts if not text.startswith("text ")]
    assert sorted(texts) == sorted(["Title", *bodies])


def test_both_halves_have_every_ingredient_at_some_seed(note: Note) -> None:
    queries = [halves.query for seed in range(40) if (halves := split_note(note, seed))]
    assert {"Title" in query.texts for query in queries} == {True, False}
    assert {"One is here. Two is here!" in query.texts for query in queries} == {True, False}
    assert {note.pictures[0] in query.pictures for query in queries} == {True, False}


def test_the_same_seed_gives_the_same_halves(note: Note) -> None:
    assert split_note(note, 5) == split_note(note, 5)
    assert len({split_note(note, seed).query for seed in range(20)}) > 3  # type: ignore[union-attr]


@pytest.mark.parametrize(("maximum", "expected"), [(1, 1), (2, 2), (6, 6), (20, 7)])
def test_max_relevant_bounds_the_ranking(maximum: int, expected: int, picture: Make) -> None:
    note = Note("n", "T", "A. B.", tuple(picture(str(number)) for number in range(12)))
    halves = split_note(note, 0, maximum)
    assert halves is not None
    assert len(halves.relevant) == expected


def test_what_cannot_be_split(picture: Make) -> None:
    p, q = picture("p"), picture("q")
    assert split_note(Note("n", "T", "A. B.", (p,)), 0) is None
    assert split_note(Note("n", "T", "A. B.", (p, p)), 0) is None
    assert split_note(Note("n", "T", "", (p, q)), 0) is None
    assert split_note(Note("n", "", "One sentence.", (p, q)), 0) is None
    assert split_note(Note("n", "", "", (p, q)), 0) is None


def test_one_sentence_is_set_against_the_title(picture: Make) -> None:
    halves = split_note(Note("n", "T", "One sentence.", (picture("p"), picture("q"))), 0)
    assert halves is not None
    assert {halves.query.texts, halves.relevant[-1].texts} == {("T",), ("One sentence.",)}


def test_chinese_sentences(picture: Make) -> None:
    halves = split_note(Note("n", "", "今天天气很好。我们去公园!", (picture("p"), picture("q"))), 0)
    assert halves is not None
    assert {halves.query.texts, halves.relevant[-1].texts} == {("今天天气很好。",), ("我们去公园!",)}


TEXTS = st.text(st.sampled_from("ab .。!\n"), max_size=30)
PICTURES = st.builds(lambda n: Picture(f"{n:064x}", None, b"", "seen", (f"line {n}",)), st.integers(0, 5))


@given(
    st.builds(Note, st.just("n"), TEXTS, TEXTS, st.lists(PICTURES, max_size=7).map(tuple)), st.integers(0, 9)
)
def test_halves_are_disjoint_and_complete(note: Note, seed: int) -> None:
    halves = split_note(note, seed)
    if halves is None:
        return
    n_b = halves.relevant[-1]
    a, b = ({picture.digest for picture in item.pictures} for item in (halves.query, n_b))
    assert a
    assert b
    assert a.isdisjoint(b)
    assert Counter(halves.query.pictures + n_b.pictures) == Counter(note.pictures)

    def own_text(item: Item) -> list[str]:
        return [text for text in item.texts if not text.startswith("line ")]

    assert own_text(halves.query)
    assert own_text(n_b)
    kept = "".join("".join(own_text(halves.query) + own_text(n_b)).split())
    assert Counter(kept) == Counter("".join((note.title + note.body).split()))
    for better, worse in zip(halves.relevant, halves.relevant[1:], strict=False):
        assert better.parts[: len(worse.parts)] == worse.parts
        assert len(better.pictures) == len(worse.pictures) + 1
        assert better.pictures[-1].digest in a


def test_a_one_sided_query_keeps_texts_or_pictures(note: Note) -> None:
    half = split_note(note, 0)
    assert half is not None
    found = {tuple(map(type, one_sided(half, random.Random(seed)).query.parts)) for seed in range(20)}
    assert found in ({(str, str), (Picture, Picture)}, {(str,), (Picture, Picture)})
    assert one_sided(half, random.Random(0)).relevant == half.relevant
    alone = replace(half, query=Item.of("text alone"))
    assert one_sided(alone, random.Random(0)) is alone


def test_a_video_sampled_by_rate_stays_whole() -> None:
    frames = tuple(Picture(f"frame {n}", frame=True, moment=Moment(n / 2, 0.5)) for n in range(6))
    note = Note("n", "A title.", "One sentence. And another.", (Picture("a"), *frames, Picture("b")))
    videos = set()
    for seed in range(20):
        half = split_note(note, seed)
        assert half is not None
        for item in (half.query, half.relevant[-1]):
            shown = [one for one in item.pictures if one.frame]
            assert tuple(shown) in ((), frames)
            videos.add((item is half.query, len(shown)))
        steps = [len(item.pictures) for item in half.relevant]
        assert all(better - worse in (1, 6) for better, worse in pairwise(steps))
    assert videos == {(True, 0), (True, 6), (False, 0), (False, 6)}
