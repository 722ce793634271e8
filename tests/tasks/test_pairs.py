import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uninote.items import Item, Note, Picture
from uninote.tasks.definitions import SFT_TASKS, Pair, Task
from uninote.tasks.halves import split_note
from uninote.tasks.masking import normalise
from uninote.tasks.pairs import make_pairs

Make = Callable[..., Picture]


@pytest.fixture
def note(picture: Make) -> Note:
    pictures = (
        picture("p", "a black cat", ("CAT FOOD", "1 kg")),
        picture("q", "a dog", ("cat food sale",)),
    )
    return Note("n", "Pets: a black cat", "Buy cat food.", pictures)


def only(note: Note, task: Task, index: int) -> Pair:
    (pair,) = (pair for pair in make_pairs([note], task) if pair.picture == index)
    return pair


def test_atomic_alignment(note: Note) -> None:
    p = note.pictures[0]
    assert only(note, Task.I2T, 0) == Pair(Task.I2T, Item((p,)), Item(("a black cat",)), "n", 0)
    assert only(note, Task.T2I, 0) == Pair(Task.T2I, Item(("a black cat",)), Item((p,)), "n", 0)


def test_picture_finds_its_note_and_back(note: Note) -> None:
    p, q = note.pictures
    whole = Item(("Pets: a black cat", "Buy cat food.", "a black cat", "CAT FOOD\n1 kg", q, "cat food sale"))
    rest = Item(("Pets: a black cat", "Buy cat food.", q, "cat food sale"))
    assert only(note, Task.I2NOTE, 0) == Pair(Task.I2NOTE, Item((p,)), whole, "n", 0, rest)
    assert only(note, Task.NOTE2I, 0) == Pair(Task.NOTE2I, whole, Item((p,)), "n", 0)


def test_a_strict_note_does_not_hold_the_text_of_its_hidden_picture(note: Note) -> None:
    p, q = note.pictures
    whole = Item(("Pets: a black cat", "Buy .", "a black cat", q, "sale"))
    (pair,) = (pair for pair in make_pairs([note], Task.I2NOTE, strict=True) if pair.picture == 0)
    (query,) = pair.query.pictures
    assert (query, query.ocr) == (p, ("CAT FOOD", "1 kg"))
    assert pair.positive.texts == whole.texts
    assert pair.positive.key == whole.key
    assert pair.counterfactual is not None
    assert pair.counterfactual.texts == ("Pets: a black cat", "Buy .", "sale")
    back = next(pair for pair in make_pairs([note], Task.NOTE2I, strict=True) if pair.picture == 0)
    assert (back.query, back.positive) == (pair.positive, pair.query)


def test_strict_changes_only_tasks_that_hide_a_picture(note: Note) -> None:
    for task in Task:
        same = make_pairs([note], task, strict=True) == make_pairs([note], task)
        assert same is not task.spec.hides_picture


def test_description_finds_its_note_and_back(note: Note) -> None:
    p, q = note.pictures
    whole = Item(("Pets:", "Buy cat food.", p, "CAT FOOD\n1 kg", q, "cat food sale"))
    rest = Item(("Pets:", "Buy cat food.", q, "cat food sale"))
    text = Item(("a black cat",))
    assert only(note, Task.T2NOTE, 0) == Pair(Task.T2NOTE, text, whole, "n", 0, rest)
    assert only(note, Task.NOTE2T, 0) == Pair(Task.NOTE2T, whole, text, "n", 0)


def test_ocr_perception(note: Note) -> None:
    p, q = note.pictures
    text = Item(("CAT FOOD\n1 kg",))
    assert only(note, Task.I2OCR, 0) == Pair(Task.I2OCR, Item((p,)), text, "n", 0)
    assert only(note, Task.OCR2I, 0) == Pair(Task.OCR2I, text, Item((p,)), "n", 0)
    pair = only(note, Task.OCR2NOTE, 0)
    assert pair.query == text
    assert pair.positive.texts == ("Pets: a black cat", "Buy .", "sale")
    assert [x.digest for x in pair.positive.pictures] == [p.digest, q.digest]
    assert pair.counterfactual is not None
    assert pair.counterfactual.texts == ("Pets: a black cat", "Buy .", "sale")
    assert [x.digest for x in pair.counterfactual.pictures] == [q.digest]


def test_note2note_is_the_half_with_its_best_match(picture: Make) -> None:
    note = Note("n", "Title", "First one. Second one.", (picture("p"), picture("q")))
    halves = split_note(note, 3)
    assert halves is not None
    assert make_pairs([note], Task.NOTE2NOTE, seed=3) == [
        Pair(Task.NOTE2NOTE, halves.query, halves.relevant[0], "n", None)
    ]
    assert make_pairs([Note("m", "Title", "Body", (picture("p"),))], Task.NOTE2NOTE) == []


@pytest.mark.parametrize("task", SFT_TASKS)
def test_missing_ingredients_give_no_pair(task: Task, picture: Make) -> None:
    bare = Note(
        "bare", "Title", "Body", (picture("p"), picture("q", "  ", (" ",)), picture("r", "", ("ab", "c")))
    )
    assert make_pairs([bare], task) == []
    assert make_pairs([Note("text only", "Title", "Body")], task) == []


@pytest.mark.parametrize("task", [Task.I2NOTE, Task.T2NOTE, Task.NOTE2I, Task.NOTE2T, Task.OCR2NOTE])
def test_a_note_that_is_only_the_picture_is_no_whole(task: Task, picture: Make) -> None:
    lone = picture("p", "some words", ("more words",))
    assert make_pairs([Note("n", "", "", (lone, lone))], task) == []
    # What counts is the text left after masking.
    assert len(make_pairs([Note("n", "some words", "more words", (lone,))], task)) == 1
    same = picture("q", "same words", ("same words",))
    pairs = make_pairs([Note("n", "same words", "", (same,))], task)
    assert len(pairs) == (1 if task in (Task.I2NOTE, Task.NOTE2I) else 0)


def test_short_ocr_is_counted_without_white_space(picture: Make) -> None:
    note = Note("n", "T", pictures=(picture("p", "", ("a b", "c")), picture("q", "", ("a b", "cd"))))
    assert [pair.picture for pair in make_pairs([note], Task.I2OCR)] == [1]


def test_repeated_pictures_give_one_pair(picture: Make) -> None:
    note = Note("n", "T", pictures=(picture("p", "x y"), picture("p", "x y"), picture("p", "z z")))
    assert [pair.picture for pair in make_pairs([note], Task.I2T)] == [0, 2]


def test_per_note_is_independent_of_the_other_notes(picture: Make) -> None:
    notes = [
        Note(f"n{k}", "T", pictures=tuple(picture(f"{k}.{i}", f"picture {k}.{i}") for i in range(6)))
        for k in range(20)
    ]
    chosen = make_pairs(notes, Task.I2T, per_note=2)
    assert [pair.note_id for pair in chosen] == [note.id for note in notes for _ in range(2)]
    shuffled = random.Random(0).sample(notes, len(notes))
    assert set(make_pairs(shuffled, Task.I2T, per_note=2)) == set(chosen)
    assert set(make_pairs(notes, Task.I2T, per_note=2, seed=1)) != set(chosen)
    assert {pair.picture for pair in chosen} == set(range(6))
    everything = make_pairs(notes, Task.I2T)
    assert set(chosen) < set(everything)
    assert make_pairs(notes, Task.I2T, per_note=6) == everything


WORDS = st.sampled_from(
    ["red", "Red", "fox", "red fox", "sale", "50%", "北京", "京都", "我爱北京", "a", ".", "\n"]
)
PHRASES = st.lists(WORDS, max_size=5).map(" ".join)


def pictures_of(description: str, ocr: list[str], number: int) -> Picture:
    return Picture(f"{number:064x}", None, b"", description, tuple(line.replace("\n", " ") for line in ocr))


PICTURES = st.builds(pictures_of, PHRASES, st.lists(PHRASES, max_size=3), st.integers(0, 3))
NOTES = st.builds(Note, st.just("n"), PHRASES, PHRASES, st.lists(PICTURES, max_size=4).map(tuple))


def spaced(text: str) -> str:
    """Put one space around each word, so that `in` finds whole words."""
    return f" {normalise(text)} "


@given(NOTES)
def test_no_task_gives_its_answer_away(note: Note) -> None:
    for task in SFT_TASKS:
        for pair in make_pairs([note], task):
            assert pair.query.key != pair.positive.key
            digests = {picture.digest for picture in pair.query.pictures}
            assert digests.isdisjoint(picture.digest for picture in pair.positive.pictures)
            whole, part = pair.positive, pair.query
            if task in (Task.NOTE2I, Task.NOTE2T):
                whole, part = part, whole
            # OCR lines are masked one by one, descriptions as one string; modal replacement of a
            # picture query is checked by its digest above.
            secrets = part.texts[0].split("\n") if task is Task.OCR2NOTE else part.texts
            lines = [line for text in whole.texts for line in text.split("\n")]
            for secret in secrets:
                content = sum(map(str.isalnum, secret))
                if content >= 2:
                    assert not any(spaced(secret) in spaced(text) for text in whole.texts)
                if task is Task.OCR2NOTE and content:
                    ocr = {line for picture in whole.pictures for line in picture.ocr or ()}
                    assert normalise(secret) not in map(normalise, ocr & set(lines))


@given(NOTES)
def test_the_counterfactual_is_the_positive_without_the_picture(note: Note) -> None:
    for task in (Task.I2NOTE, Task.T2NOTE, Task.OCR2NOTE):
        for pair in make_pairs([note], task):
            assert pair.picture is not None
            if pair.counterfactual is None:  # nothing is left of the note
                continue
            digest = note.pictures[pair.picture].digest
            assert digest not in {picture.digest for picture in pair.counterfactual.pictures}
            rest = iter(pair.positive.parts)
            assert all(part in rest for part in pair.counterfactual.parts)
            assert len(pair.counterfactual.parts) < len(pair.positive.parts)


def test_without_modal_replacement_the_note_shows_the_pixels_it_is_found_by(note: Note) -> None:
    plain = {task: make_pairs([note], task) for task in SFT_TASKS}
    for task in SFT_TASKS:
        shown = make_pairs([note], task, modal_replacement=False)
        if task in (Task.I2NOTE, Task.NOTE2I):
            whole = [pair.positive if task is Task.I2NOTE else pair.query for pair in shown]
            assert whole == [note.item()] * 2
            assert [pair.counterfactual for pair in shown] == [p.counterfactual for p in plain[task]]
        else:
            assert shown == plain[task]
