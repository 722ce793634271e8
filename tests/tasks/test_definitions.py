import copy

import pytest

from uninote.tasks.definitions import (
    ATOMIC_TASKS,
    INSTRUCTIONS,
    META_TASKS,
    SFT_TASKS,
    SINGLE_TARGET,
    UNEDITED,
    Task,
    in_words,
)


def test_meta_tasks_cover_every_task_once() -> None:
    grouped = [task for tasks in META_TASKS.values() for task in tasks]
    assert len(META_TASKS) == 5
    assert sorted(grouped) == sorted(Task)


def test_stage_one_learns_all_but_note2note() -> None:
    assert len(SFT_TASKS) == 9
    assert set(Task) - set(SFT_TASKS) == {Task.NOTE2NOTE}


def test_every_task_has_its_own_instruction() -> None:
    assert set(INSTRUCTIONS) == set(Task)
    assert len(set(INSTRUCTIONS.values())) == len(Task)


def test_what_depends_on_the_tasks_is_counted_from_their_rows() -> None:
    assert [in_words(tasks) for tasks in (Task, SINGLE_TARGET, [*Task, *Task])] == ["ten", "nine", "20"]
    assert set(Task) - set(SINGLE_TARGET) == {task for task in Task if task.spec.graded} == {Task.NOTE2NOTE}
    assert {"I2T", "T2I", "I2OCR", "OCR2I"} == ATOMIC_TASKS
    assert [task for task in Task if task.spec.hides_picture] == ["I2Note", "Note2I"]
    assert [task for task in Task if task.spec.strict] == ["I2Note", "Note2I"]
    assert [task for task in SINGLE_TARGET if task not in UNEDITED] == ["I2OCR", "OCR2I"]
    assert in_words(UNEDITED) == "seven"


def test_a_task_is_found_by_its_name_and_survives_copies() -> None:
    assert Task("I2T") is copy.deepcopy(Task.I2T) is Task.I2T
    assert (Task.I2T, str(Task.I2T), Task.I2T.value) == ("I2T", "I2T", "I2T")
    with pytest.raises(ValueError, match="I2X"):
        Task("I2X")


def test_values_are_the_papers_names() -> None:
    assert Task("OCR2Note") is Task.OCR2NOTE
    assert [str(task) for task in META_TASKS["Semantic Extraction"]] == ["Note2I", "Note2T"]
