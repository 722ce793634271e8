from __future__ import annotations

from uninote.items import Item, Note, Picture
from uninote.tasks.definitions import Task
from uninote.tasks.dropout import without_texts
from uninote.tasks.pairs import make_pairs


def notes() -> list[Note]:
    def picture(number: int) -> Picture:
        data = f"picture {number}".encode()
        return Picture.from_bytes(data, description=f"view {number}", ocr=(f"sign {number}",))

    return [
        Note(f"n{i}", f"title {i}", f"body {i}", (picture(2 * i), picture(2 * i + 1))) for i in range(100)
    ]


def test_a_share_of_note_queries_keeps_its_pictures_only() -> None:
    pairs = make_pairs(notes(), Task.NOTE2T)
    made = without_texts(pairs, 0.3, seed=0)
    changed = [(old, new) for old, new in zip(pairs, made, strict=True) if old.query != new.query]
    assert 40 <= len(changed) <= 80  # of 200
    for old, new in changed:
        assert new.query == Item(old.query.pictures)
        assert (new.positive, new.note_id, new.picture) == (old.positive, old.note_id, old.picture)


def test_none_and_all() -> None:
    pairs = make_pairs(notes()[:5], Task.NOTE2I)
    assert without_texts(pairs, 0.0, seed=0) == pairs
    assert all(not pair.query.texts for pair in without_texts(pairs, 1.0, seed=0))


def test_queries_of_one_modality_and_targets_stay() -> None:
    for task in (Task.I2NOTE, Task.T2NOTE, Task.I2T, Task.OCR2I):
        pairs = make_pairs(notes()[:5], task)
        assert without_texts(pairs, 1.0, seed=0) == pairs


def test_the_choice_depends_on_the_pair_and_the_seed_alone() -> None:
    pairs = make_pairs(notes(), Task.NOTE2T)
    assert without_texts(pairs[::-1], 0.5, seed=1) == without_texts(pairs, 0.5, seed=1)[::-1]
    assert without_texts(pairs, 0.5, seed=1) != without_texts(pairs, 0.5, seed=2)
