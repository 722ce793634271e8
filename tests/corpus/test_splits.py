import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uninote.corpus.splits import Splits, connected_groups, split_notes
from uninote.errors import ConfigError
from uninote.items import Note, Picture

PICTURES = [Picture.from_bytes(bytes([index])) for index in range(25)]


def plain(count: int) -> list[Note]:
    return [Note(str(index), body=f"text {index}") for index in range(count)]


@st.composite
def corpora(draw: st.DrawFn) -> list[Note]:
    """Draw notes with pictures, links (also to missing notes) and texts that often coincide."""
    count = draw(st.integers(0, 25))
    return [
        Note(
            str(index),
            title=draw(st.sampled_from(["", "", "", f"t{index}", "same"])),
            pictures=tuple(draw(st.lists(st.sampled_from(PICTURES), max_size=2))),
            links=tuple(draw(st.lists(st.integers(0, 50).map(str), max_size=1))),
        )
        for index in range(count)
    ]


def sides(splits: Splits) -> dict[str, str]:
    return {note.id: side for side in ("train", "validation", "test") for note in getattr(splits, side)}


@settings(max_examples=50, deadline=None)
@given(corpora(), st.floats(0, 0.6), st.floats(0, 0.39), st.integers(0, 5))
def test_splits_share_no_group_and_hold_every_note(
    notes: list[Note], test: float, validation: float, seed: int
) -> None:
    splits = split_notes(notes, test, validation, seed)
    side = sides(splits)
    assert sorted(side) == sorted(note.id for note in notes)
    assert len(splits.train) + len(splits.validation) + len(splits.test) == len(notes)
    for one in notes:
        for other in notes:
            shared = {p.digest for p in one.pictures} & {p.digest for p in other.pictures}
            same_text = one.title and one.title == other.title
            if shared or same_text or other.id in one.links:
                assert side[one.id] == side[other.id]


@settings(max_examples=50, deadline=None)
@given(corpora(), st.randoms(use_true_random=False))
def test_sides_do_not_depend_on_order(notes: list[Note], shuffler: random.Random) -> None:
    shuffled = list(notes)
    shuffler.shuffle(shuffled)
    assert sides(split_notes(notes, 0.3, 0.1, 7)) == sides(split_notes(shuffled, 0.3, 0.1, 7))


@settings(max_examples=50, deadline=None)
@given(corpora(), st.integers(0, 5))
def test_fractions_are_met_within_the_biggest_group(notes: list[Note], seed: int) -> None:
    splits = split_notes(notes, 0.3, 0.0, seed)
    biggest = max((len(group) for group in connected_groups(notes)), default=0)
    assert abs(len(splits.test) - round(0.3 * len(notes))) <= biggest


def test_single_notes_meet_fractions_exactly() -> None:
    splits = split_notes(plain(200), 0.2, 0.05, 0)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (150, 10, 40)
    for part in (splits.train, splits.validation, splits.test):
        assert [int(note.id) for note in part] == sorted(int(note.id) for note in part)


def test_the_seed_matters() -> None:
    assert sides(split_notes(plain(50), 0.2, 0.1, 0)) == sides(split_notes(plain(50), 0.2, 0.1, 0))
    assert sides(split_notes(plain(50), 0.2, 0.1, 0)) != sides(split_notes(plain(50), 0.2, 0.1, 1))


def test_a_huge_group_trains_and_the_rest_is_shared_out() -> None:
    linked = [Note(f"big{index}", body=str(index), links=("big0",)) for index in range(60)]
    for seed in range(5):
        splits = split_notes(linked + plain(40), 0.2, 0.1, seed)
        assert {note.id for note in linked} <= {note.id for note in splits.train}
        assert (len(splits.validation), len(splits.test)) == (10, 20)


def test_groups_are_transitive_over_all_three_connections() -> None:
    shared = (PICTURES[0],)
    notes = [
        Note("a", body="one", pictures=shared),
        Note("b", body="two", pictures=shared, links=("c", "missing")),
        Note("c", title="Same ", body="Text"),
        Note("d", title="same", body="text"),
        Note("e", links=("missing",)),
        Note("f"),
    ]
    groups = {frozenset(group) for group in connected_groups(notes)}
    assert groups == {frozenset("abcd"), frozenset("e"), frozenset("f")}


def test_one_group_all_trains() -> None:
    splits = split_notes([Note("a", links=("b",)), Note("b")], 0.5, 0.2, 0)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (2, 0, 0)


@pytest.mark.parametrize(("test", "validation"), [(0.8, 0.2), (-0.1, 0.1), (0.1, -0.1)])
def test_impossible_fractions_are_refused(test: float, validation: float) -> None:
    with pytest.raises(ConfigError, match="fraction"):
        split_notes(plain(3), test, validation, 0)
