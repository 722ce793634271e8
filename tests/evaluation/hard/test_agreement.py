from __future__ import annotations

from uninote.evaluation.hard.agreement import chapters_task, language_tasks
from uninote.items import Note


def note(id_: str, body: str, category: str = "", tags: tuple[str, ...] = (), lang: str = "") -> Note:
    return Note(id_, body=body, category=category, tags=tags, lang=lang)


def test_notes_of_one_chapter_find_each_other_without_its_name() -> None:
    notes = [
        note("a", "Bones: what they carry", "Anatomy", ("Bones",)),
        note("b", "The skull", "Anatomy", ("Bones",)),
        note("c", "The heart", "Anatomy", ("Blood",)),
        note("d", "Bones of the sky", "Astronomy", ("Bones",)),
        note("e", "No chapter", "Anatomy"),
    ]
    task = chapters_task(notes)
    assert task is not None
    assert [query.note_id for query in task.queries] == ["a", "b"]
    texts = {target.key: target.texts[0] for target in task.targets}
    assert sorted(texts.values()) == [
        ": what they carry",
        "No chapter",
        "The heart",
        "The skull",
        "of the sky",
    ]
    first = task.queries[0]
    assert [texts[key] for key in first.relevant] == ["The skull"]
    assert [texts[key] for key in first.excluded] == [": what they carry"]
    assert task.graded


def test_chapters_of_one_note_have_no_task() -> None:
    assert chapters_task([note("a", "x", "A", ("1",)), note("b", "y", "A", ("2",)), note("c", "z")]) is None


def test_a_note_that_is_only_its_chapters_name_is_left_out() -> None:
    notes = [note(str(i), body, "A", ("Bones",)) for i, body in enumerate(["Bones", "skull", "jaw"])]
    task = chapters_task(notes)
    assert task is not None
    assert [query.note_id for query in task.queries] == ["1", "2"]


def test_notes_of_two_languages_match_by_category_only() -> None:
    notes = [
        note("a", "a street", "city", lang="en"),
        note("b", "街", "city", lang="zh"),
        note("c", "山", "hills", lang="zh"),
        note("d", "a hill", "hills", lang="en"),
        note("e", "another hill", "hills", lang="en"),
        note("f", "no language", "hills"),
        note("g", "no category", lang="en"),
    ]
    tasks = {task.name: task for task in language_tasks(notes)}
    assert list(tasks) == ["en → zh", "zh → en"]
    to_english = tasks["zh → en"]
    texts = {target.key: target.texts[0] for target in to_english.targets}
    assert sorted(texts.values()) == ["a hill", "a street", "another hill"]
    found = {query.note_id: sorted(texts[key] for key in query.relevant) for query in to_english.queries}
    assert found == {"b": ["a street"], "c": ["a hill", "another hill"]}


def test_one_language_has_no_task() -> None:
    assert language_tasks([note("a", "x", "c", lang="en"), note("b", "y", "c", lang="en")]) == []
