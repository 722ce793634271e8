import itertools
import random
import unicodedata
from collections.abc import Callable

import pytest
from tests.tasks.repeated_notes import SAME, forms, plain, repeated_notes

from uninote.items import Item, Note, Ocr, Picture
from uninote.tasks.content import Answers, content_key, contents, same_words, text_key
from uninote.tasks.definitions import TWIN_TASKS, Task
from uninote.tasks.pairs import make_pairs

Make = Callable[..., Picture]


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("A red fox", "a  RED\nfox.", True),
        ("caf\u00e9", "CAFE\u0301", True),
        ("ＳＡＬＥ！", "sale", True),
        ("zero\u200bwidth", "zerowidth", True),
        ("한글", unicodedata.normalize("NFD", "한글"), True),
        ("Straße", "STRASSE", True),
        ("a red fox", "a red box", False),
        ("cafe", "caf\u00e9", False),
        ("C", "C++", False),
        ("...", "!!!", False),
    ],
)
def test_texts_of_the_same_content(left: str, right: str, same: bool) -> None:
    assert (text_key(left) == text_key(right)) is same


def test_an_item_holds_texts_pictures_and_annotations(picture: Make) -> None:
    shown = picture("p", "A cat", ("Sale", "ab", "50% off"))
    digest = shown.digest
    assert contents(Item((shown,))) == {digest, "acat", "saleab50%off", "sale", "ab", "50%off"}
    assert contents(Item(("T", Ocr("Sale\nnow", digest)))) == {"t", "salenow", "sale", "now"}
    assert content_key(Item(("T", shown, Ocr("Sale", digest)))) == ("t", digest)
    assert content_key(Item((Ocr("Sale", digest),))) == ("sale",)


def test_a_note_is_the_same_as_its_halves_by_all_its_words() -> None:
    halves = Item.of("Title", "One."), Item.of("Two.")
    assert same_words(Item.of("TITLE", "One. Two."), halves)
    assert not same_words(Item.of("Title", "One."), halves)
    assert not same_words(Item.of("Title", "One. Two. Three."), halves)
    assert not same_words(Item((Ocr("x", "d"),)), ())


def test_answers_by_hand(picture: Make) -> None:
    cat, again, dog = picture("p", "a cat"), picture("q", "A cat."), picture("r", "a dog")
    notes = [Item.of("N", one) for one in (cat, again, dog)]
    assert Answers(notes).of(Item.of("a CAT"), [notes[0]], Task.T2NOTE) == {0, 1}
    assert Answers(notes).of(Item.of(cat), [notes[0]], Task.I2NOTE) == {0}
    pictures = [Item.of(one) for one in (cat, again, dog)]
    assert Answers(pictures).of(Item.of("a cat"), [pictures[0]], Task.T2I) == {0, 1}
    assert Answers(pictures).of(Item.of("N", cat, dog), [pictures[0]], Task.NOTE2I) == {0, 2}
    texts = [Item.of(text) for text in ("a cat", "A cat", "a dog")]
    assert Answers(texts).of(Item.of(cat), [texts[0]], Task.I2T) == {0, 1}
    assert Answers(texts).of(Item.of("N", dog), [texts[2]], Task.NOTE2T) == {2}
    # A short note that is held by a longer one is another note.
    assert Answers([Item.of("x"), Item.of("x", "y")]).of(Item.of("q"), [Item.of("x")], Task.T2NOTE) == {0}


def test_two_pictures_of_one_caption_both_leave_the_counterfactual(picture: Make) -> None:
    p, q, r = picture("p", "a cat"), picture("q", "A  Cat."), picture("r", "a dog")
    note = Note("n", "Pets", "Body", (p, q, r))
    for task in (Task.I2NOTE, Task.T2NOTE):
        first, second, third = make_pairs([note], task)
        assert first.counterfactual == second.counterfactual == Item(("Pets", "Body", r))
        assert third.counterfactual == Item(("Pets", "Body", p, q))


def test_a_picture_in_which_the_text_is_written_too_leaves_the_counterfactual(picture: Make) -> None:
    p, q = picture("p", "", ("CAT FOOD", "1 kg")), picture("q", "", ("new!", "cat food", "now", "1 KG"))
    r, s = picture("r", "", ("1 kg", "dog food")), picture("s", "", ("CAT FOOD", "2 kg"))
    pair = make_pairs([Note("n", "Pets", "", (p, q, r, s))], Task.OCR2NOTE)[0]
    assert pair.counterfactual is not None
    assert pair.counterfactual.parts[0] == "Pets"
    assert [one.digest for one in pair.counterfactual.pictures] == [r.digest, s.digest]


def test_descriptions_of_all_occurrences_count_and_so_do_title_and_body(picture: Make) -> None:
    pictures = (picture("p", "a cat"), picture("p", "my pet"), picture("q", "My pet!"), picture("r", "a dog"))
    (first, *_) = make_pairs([Note("n", "A CAT", "my pet.", pictures)], Task.I2NOTE)
    assert first.counterfactual == Item((pictures[3],))


def test_nothing_left_is_no_counterfactual_but_still_a_pair(picture: Make) -> None:
    note = Note("n", "", "", (picture("p", "a cat"), picture("q", "a cat")))
    for task in (Task.I2NOTE, Task.T2NOTE):
        assert {pair.counterfactual for pair in make_pairs([note], task)} == {None}


@pytest.mark.parametrize("seed", range(20))
def test_no_counterfactual_holds_the_content_of_its_picture(seed: int) -> None:
    """Compare every part of every counterfactual with everything the picture is."""
    for note in repeated_notes(seed):
        for task, strict in itertools.product(TWIN_TASKS, (False, True)):
            if strict and not task.spec.strict:
                continue
            for pair in make_pairs([note], task, strict=strict):
                if pair.counterfactual is None:
                    continue
                shown = note.pictures[pair.picture or 0]
                gone = {plain(shown.description), plain(shown.ocr_text)} - {""}
                for part in pair.counterfactual.parts:
                    if isinstance(part, Picture):
                        original = next(one for one in note.pictures if one.digest == part.digest)
                        assert part.digest != shown.digest
                        assert gone.isdisjoint({plain(original.description), plain(original.ocr_text)})
                    else:
                        assert plain(part) not in gone


def test_the_generated_notes_repeat_content_in_many_forms() -> None:
    rng = random.Random(0)
    assert len({forms(SAME[1], rng) for _ in range(50)}) > 5
    assert {plain(forms(SAME[1], rng)) for _ in range(50)} == {plain(SAME[1])}
