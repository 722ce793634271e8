from __future__ import annotations

from dataclasses import replace

import pytest
from tests.tasks.repeated_notes import answers, repeated_notes

from uninote.errors import NoteError, PictureError
from uninote.evaluation.suite import WITH_TEXT, WITHOUT_TEXT, Query, build_suite, merged
from uninote.items import Item, Note
from uninote.tasks.definitions import Pair, Task
from uninote.tasks.halves import split_note


@pytest.fixture(scope="module")
def notes(make_note):
    return [make_note(i, pictures=2 + i % 3) for i in range(8)] + [make_note(9, pictures=1)]


@pytest.fixture(scope="module")
def suite(notes):
    return build_suite(notes, seed=0)


def test_has_the_ten_tasks_in_order(suite) -> None:
    assert [task.name for task in suite.tasks] == [task.value for task in Task]


def test_every_relevant_target_is_in_the_pool_once(suite) -> None:
    for task in suite.tasks:
        assert len(task.index) == len(task.targets)
        for query in task.queries:
            assert query.relevant
            assert query.relevant.keys() <= task.index.keys()


def test_note_tasks_draw_one_pair_per_note_and_atomic_tasks_all(suite, notes) -> None:
    by_name = {task.name: task for task in suite.tasks}
    for task in (task for task in Task if task.spec.one_per_note):
        assert len(by_name[task].queries) == len(notes)
    pictures = sum(len(note.pictures) for note in notes)
    for task in (Task.I2T, Task.T2I, Task.I2OCR, Task.OCR2I):
        assert len(by_name[task].queries) == pictures


def test_strict_notes_ask_the_same_and_do_not_hold_the_text_of_the_picture(suite) -> None:
    by_name = {task.name: task for task in suite.all_tasks}
    assert [task.name for task in suite.extra][:2] == ["I2Note strict", "Note2I strict"]
    usual, strict = by_name["I2Note"], by_name["I2Note strict"]
    assert [query.item for query in strict.queries] == [query.item for query in usual.queries]
    for task, given in ((usual, True), (strict, False)):
        for query in task.queries:
            (positive,) = (task.targets[task.index[key]] for key in query.relevant)
            assert (query.item.pictures[0].ocr_text in positive.texts) is given


def test_queries_are_apart_by_text_in_their_picture(make_note) -> None:
    notes = [make_note(i, pictures=1) for i in range(4)]
    for number, ocr in enumerate([(), (" ",), None]):
        notes[number] = notes[number].with_pictures((replace(notes[number].pictures[0], ocr=ocr),))
    by_name = {task.name: task for task in build_suite(notes).all_tasks}
    for name in ("I2Note", "Note2I", "I2Note strict", "Note2I strict"):
        assert [query.part for query in by_name[name].queries] == [WITHOUT_TEXT, WITHOUT_TEXT, "", WITH_TEXT]
    assert {query.part for query in by_name["T2Note"].queries} == {""}


def test_no_pixels_of_the_query_in_its_whole_note(suite) -> None:
    task = next(task for task in suite.tasks if task.name == "I2Note")
    for query in task.queries:
        (positive,) = (task.targets[task.index[key]] for key in query.relevant)
        digests = {picture.digest for picture in positive.pictures}
        assert query.item.pictures[0].digest not in digests


def test_note2note_grades_and_noise(suite, notes) -> None:
    task = suite.tasks[-1]
    assert task.graded
    for query in task.queries:
        note = next(note for note in notes if note.id == query.note_id)
        halves = split_note(note, 0)
        assert [query.relevant[item.key] for item in halves.relevant] == list(
            range(len(halves.relevant), 0, -1)
        )
    single = next(note for note in notes if len(note.pictures) == 1)
    assert single.item().key in task.index
    assert single.id not in {query.note_id for query in task.queries}


def test_repeated_alt_text_is_one_query_with_all_its_pictures(make_note) -> None:
    notes = [make_note(i, pictures=1) for i in range(4)]
    same = [n.with_pictures((replace(n.pictures[0], description="screenshot"),)) for n in notes[:3]]
    suite = build_suite([*same, notes[3]])
    by_name = {task.name: task for task in suite.tasks}
    text = next(q for q in by_name["T2I"].queries if q.item.texts == ("screenshot",))
    assert set(text.relevant) == {Item.of(note.pictures[0]).key for note in same}
    assert (len(by_name["T2I"].queries), len(by_name["T2I"].targets)) == (2, 4)
    assert (len(by_name["I2T"].queries), len(by_name["I2T"].targets)) == (4, 2)
    assert by_name["T2I"].facts()["ceiling@1"] == pytest.approx((1 / 3 + 1) / 2)


def test_merged_keeps_the_higher_grade_and_relevance_over_exclusion() -> None:
    item = Item.of("q")
    (query,) = merged([Query(item, "a", {"x": 1, "y": 3}), Query(item, "b", {"x": 2}, frozenset("yz"))])
    assert query.relevant == {"x": 2, "y": 3}
    assert query.excluded == frozenset("z")


def test_a_refused_picture_costs_its_note_nothing_else(notes) -> None:
    bad = notes[2].pictures[0].digest
    assert len(notes[2].pictures) > 1

    def check(picture) -> None:
        if picture.digest == bad:
            raise PictureError("truncated")

    suite = build_suite(notes, check=check)
    assert suite.dropped == (notes[2].id,)
    assert suite.notes[2].pictures == notes[2].pictures[1:]
    assert suite.notes[2].body == notes[2].body
    assert bad not in {one.digest for item in suite.items.values() for one in item.pictures}
    alone = notes[2].with_pictures(notes[2].pictures[:1])
    assert len(build_suite([*notes[:2], replace(alone, title="", body="")], check=check).notes) == 2
    assert suite.facts()["dropped_notes"] == 1


def test_notes_without_queries_are_an_error() -> None:
    with pytest.raises(NoteError, match="no query"):
        build_suite([Note("a", "title", "body")])


def test_fingerprint_depends_on_content_and_seed(notes, suite) -> None:
    assert build_suite(notes, seed=0).fingerprint == suite.fingerprint
    assert build_suite(notes, seed=1).fingerprint != suite.fingerprint
    assert build_suite(notes[:-1], seed=0).fingerprint != suite.fingerprint


def test_facts_count(suite, notes) -> None:
    facts = suite.facts()
    assert facts["notes"] == 9
    assert facts["pictures"] == sum(len(note.pictures) for note in notes) == facts["described_pictures"]
    assert facts["tasks"]["I2T"]["chance@1"] == 1 / facts["tasks"]["I2T"]["n_targets"]
    assert facts["tasks"]["I2T"]["ceiling@1"] == 1
    assert facts["tasks"]["Note2Note"]["ceiling@1"] < 0.6


def test_what_answers_by_content_is_never_searched_as_wrong() -> None:
    suite = build_suite(repeated_notes(0, 12), distractors=repeated_notes(1, 12))
    excluded = 0
    for task in suite.all_tasks:
        if task.instruction is Task.NOTE2NOTE:
            continue
        for query in task.queries:
            assert not query.excluded & query.relevant.keys()
            excluded += len(query.excluded)
            positive = task.targets[task.index[next(iter(query.relevant))]]
            pair = Pair(task.instruction, query.item, positive, query.note_id, None)
            wrong = [t for t in task.targets if t.key not in query.relevant and t.key not in query.excluded]
            assert not [target for target in wrong if answers(pair, target)]
            assert query.excluded.isdisjoint(query.twins.values())
    assert excluded > 0
