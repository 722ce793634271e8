from __future__ import annotations

from uninote.errors import PictureError
from uninote.evaluation.baselines.phash import perceptual_hash
from uninote.evaluation.baselines.ranker import evaluate_baseline
from uninote.evaluation.hard.duplicates import MOVED, NOTES, PICTURES, duplicate_tasks
from uninote.evaluation.hard.transforms import TRANSFORMS
from uninote.evaluation.suite import Suite
from uninote.items import Item


def test_each_edit_is_sought_among_pictures_and_notes(make_note, load) -> None:
    notes = [make_note(i) for i in range(4)]
    tasks = {task.name: task for task in duplicate_tasks(notes, load, most=5, seed=0)}
    assert set(tasks) == {f"{edit}: {pool}" for edit in (*TRANSFORMS, MOVED) for pool in (PICTURES, NOTES)}
    digests = {picture.digest: note for note in notes for picture in note.pictures}
    for name, task in tasks.items():
        assert len(task.queries) == 5
        assert len(task.targets) == (len(digests) if name.endswith(PICTURES) else len(notes))
        by_key = {target.key: target for target in task.targets}
        for query in task.queries:
            assert query.item.key not in by_key  # edited: never the target itself
            (wanted,) = query.relevant
            home = next(note for note in notes if note.id == query.note_id)
            if name.endswith(PICTURES):
                assert digests[by_key[wanted].pictures[0].digest] is home
            else:
                assert wanted == home.item().key


def test_a_moved_picture_must_find_its_original_note_not_its_host(make_note, load) -> None:
    notes = [make_note(i) for i in range(4)]
    tasks = {task.name: task for task in duplicate_tasks(notes, load, most=6, seed=1)}
    by_item = {note.item().key: note for note in notes}
    for query in tasks[f"{MOVED}: {NOTES}"].queries:
        (host,) = query.excluded
        assert Item(query.item.parts[:-1]).key == host
        assert by_item[host].id != query.note_id
    for query in tasks[f"{MOVED}: {PICTURES}"].queries:
        host_pictures = {Item((picture,)).key for picture in query.item.pictures[:-1]}
        assert query.excluded == host_pictures
        assert not host_pictures & query.relevant.keys()


def test_all_notes_of_a_picture_are_relevant(make_note, make_picture, load) -> None:
    shared = make_picture(77)
    notes = [make_note(0), make_note(1)]
    notes = [note.with_pictures((shared,)) for note in notes]
    tasks = duplicate_tasks(notes, load, most=3, seed=0)
    crop = next(task for task in tasks if task.name == f"crop: {NOTES}")
    assert [len(query.relevant) for query in crop.queries] == [2]
    assert not any(task.queries for task in tasks if task.name.startswith(MOVED))  # nowhere to move to


def test_a_broken_picture_is_no_query(make_note, make_picture, load) -> None:
    broken = make_picture(5)

    def careful(picture):
        if picture.digest == broken.digest:
            raise PictureError("broken")
        return load(picture)

    notes = [make_note(0), make_note(1).with_pictures((broken,))]
    tasks = duplicate_tasks(notes, careful, most=100, seed=0)
    assert {len(task.queries) for task in tasks} == {3}


def test_perceptual_hash_finds_copies_and_misses_mirrors(make_note, load) -> None:
    notes = [make_note(i) for i in range(4)]
    tasks = tuple(duplicate_tasks(notes, load, most=8, seed=0))
    measured = evaluate_baseline(perceptual_hash(load), Suite(tuple(notes), tasks), bootstrap=0)["tasks"]
    for pool in (PICTURES, NOTES):
        assert measured[f"resize: {pool}"]["recall@1"] == 1
        assert measured[f"{MOVED}: {pool}"]["recall@1"] > 0.7
        assert measured[f"mirrored: {pool}"]["recall@1"] < 0.7
