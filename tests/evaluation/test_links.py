from __future__ import annotations

from uninote.evaluation.links import links_task, without_titles
from uninote.evaluation.suite import build_suite
from uninote.items import Note


def test_linked_notes_are_relevant_and_the_note_itself_is_out_of_its_pool() -> None:
    notes = [
        Note("a", "Alpha", "See the Beta guide and gamma.", links=("b", "c", "elsewhere", "a")),
        Note("b", "Beta guide", "Back to Alpha.", links=("a",)),
        Note("c", "Gamma", "About alphabets."),
    ]
    task = links_task(notes)
    assert task is not None
    assert task.graded
    assert [query.note_id for query in task.queries] == ["a", "b"]
    assert task.queries[0].item.texts == ("Alpha", "See the   and  .")
    assert [task.targets[task.index[key]].texts[0] for key in task.queries[0].relevant] == [
        "Beta guide",
        "Gamma",
    ]
    assert task.queries[0].excluded == {task.queries[0].item.key}
    assert "Alpha" not in task.targets[1].texts[1]


def test_none_without_links_in_the_pool(make_note) -> None:
    assert links_task([make_note(0, links=("n9",)), make_note(1)]) is None


def test_titles_are_removed_whatever_their_case_and_spacing_but_not_inside_words() -> None:
    note = Note("a", "t", "Read ART  of war. The artist. 参见安装指南一节 (C++).")
    assert without_titles(note, ["Art of War"]).body == "Read  . The artist. 参见安装指南一节 (C++)."
    assert "artist" in without_titles(note, ["art"]).body
    assert without_titles(note, ["安装指南"]).body.endswith("参见 一节 (C++).")
    assert without_titles(note, ["C++", " "]).body.endswith("( ).")


def test_the_suite_reports_links_outside_of_the_ten(make_note) -> None:
    notes = [make_note(0, links=("n1",)), make_note(1), make_note(2)]
    suite = build_suite(notes, extra=[links_task])
    assert [task.name for task in suite.extra][:3] == ["Links", "I2Note strict", "Note2I strict"]
    assert "Links" not in {task.name for task in suite.tasks}
    assert "Links" in suite.facts()["tasks"]
