from __future__ import annotations

from uninote.corpus.splits import Splits
from uninote.items import Note
from uninote.pipeline.notes import distractors_of
from uninote.settings import load_settings


def test_distractors_are_the_notes_that_are_not_measured() -> None:
    train, validation, test = ([Note(f"{part}{n}", "title") for n in range(4)] for part in "abc")
    splits = Splits(train, validation, test)

    def ids(measured: str, **options: object) -> list[str]:
        return [note.id for note in distractors_of(splits, measured, load_settings(None, **options))]

    assert set(ids("test")) == {note.id for note in train + validation}
    assert set(ids("validation")) == {note.id for note in train}
    few = ids("test", evaluation={"distractors": 3})
    assert few == ids("test")[:3]
    assert few != ids("test", evaluation={"distractors": 3}, seed=1)
    assert ids("test", evaluation={"distractors": 0}) == []
