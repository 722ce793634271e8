from uninote.tasks.definitions import INSTRUCTIONS, META_TASKS, SFT_TASKS, Task


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


def test_values_are_the_papers_names() -> None:
    assert Task("OCR2Note") is Task.OCR2NOTE
    assert [str(task) for task in META_TASKS["Semantic Extraction"]] == ["Note2I", "Note2T"]
