"""Relations to train on and to measure on: apart in time, apart by notes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.corpus.relations.planted import planted_log

from uninote.corpus.relations.behaviour import Behaviour, cut, read_behaviour, relations_file
from uninote.corpus.relations.coengagement import co_engagement
from uninote.corpus.relations.graph import Relations
from uninote.corpus.relations.reader import Event
from uninote.corpus.skips import SkipReport
from uninote.errors import ConfigError
from uninote.items import Note
from uninote.settings import RelationSettings

NOTES = [Note(f"n{i}", f"title {i}", "body") for i in range(40)]


def log_file(folder: Path, events: list[Event]) -> Path:
    path = folder / "relations.csv"
    path.write_text("\n".join(["user,item,time", *(f"{e.user},{e.item},{e.time}" for e in events)]))
    return path


def behaviour_of(folder: Path, events: list[Event], **options: Any) -> Behaviour:
    return read_behaviour(log_file(folder, events), NOTES, RelationSettings(**options), SkipReport())


@pytest.mark.parametrize("only_new", [True, False])
def test_a_log_is_cut_in_time(tmp_path: Path, only_new: bool) -> None:
    events = planted_log(0)
    behaviour = behaviour_of(tmp_path, events, measured=0.25, only_new=only_new)
    since = behaviour.since
    assert since is not None
    before = [event for event in events if event.time < since]
    after = [event for event in events if event.time >= since]
    assert len(after) / len(events) == pytest.approx(0.25, abs=0.01)
    training, measured = behaviour.training(NOTES), behaviour.measured(NOTES)
    assert training.key == co_engagement(before).key
    assert training.until == max(event.time for event in before) < since
    assert measured.seen.key == (training if only_new else Relations()).key
    seen = {(one, other) for one, other, _ in training}
    new = {(one, other) for one, other, _ in measured.relations}
    everything = {(one, other) for one, other, _ in co_engagement(after)}
    assert new == everything - seen if only_new else new == everything
    assert new
    assert seen & everything


def test_events_from_the_cut_on_change_nothing_in_training(tmp_path: Path) -> None:
    events = planted_log(0)
    first = behaviour_of(tmp_path, events)
    later = [event._replace(item="n0") if event.time >= (first.since or 0) else event for event in events]
    other = behaviour_of(tmp_path, later)
    assert other.since == first.since
    assert other.training(NOTES).key == first.training(NOTES).key
    assert other.measured(NOTES).relations.key != first.measured(NOTES).relations.key
    assert other.key != first.key


def test_relations_never_reach_across_the_split(tmp_path: Path) -> None:
    behaviour, train, test = behaviour_of(tmp_path, planted_log(0)), NOTES[::2], NOTES[1::2]
    ids = {note.id for note in train}
    assert all({one, other} <= ids for one, other, _ in behaviour.training(train))
    assert all(ids.isdisjoint((one, other)) for one, other, _ in behaviour.measured(test).relations)


def test_pairs_are_apart_by_notes_alone(tmp_path: Path) -> None:
    path = tmp_path / "relations.csv"
    path.write_text("item,other,weight\nn0,n2,1\nn1,n3,2\nn0,n1,9\n")
    behaviour = read_behaviour(path, NOTES, RelationSettings(), SkipReport())
    assert behaviour.since is None
    assert list(behaviour.training(NOTES[::2])) == [("n0", "n2", 1.0)]
    assert list(behaviour.measured(NOTES[1::2]).relations) == [("n1", "n3", 2.0)]


def test_the_cut_takes_a_date_or_a_number_and_keeps_equal_times_together() -> None:
    log = tuple(Event("u", "a", time) for time in (0.0, 10.0, 10.0, 10.0, 20.0))
    assert cut(log, RelationSettings(measured=0.4)) == 10.0
    assert cut(log, RelationSettings(since="15")) == 15.0
    assert cut(log, RelationSettings.model_validate({"since": 15})) == 15.0
    assert cut(log, RelationSettings(since="1970-01-01T00:00:05")) == 5.0


@pytest.mark.parametrize(
    ("times", "since", "says"),
    [
        ([1.0, 2.0], "3", "no events after its cut at 3 .events from 1 to 2.: set relations.since"),
        ([1.0, 2.0], "1", "no events before its cut at 1"),
        ([5.0, 5.0], "", "no events before its cut at 5"),
        ([1.0], "next week", "neither ISO 8601 nor a number"),
        ([], "", "no event of these notes"),
    ],
)
def test_a_cut_with_nothing_on_one_side_is_refused(times: list[float], since: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        cut(tuple(Event("u", "a", time) for time in times), RelationSettings(since=since))


def test_the_file_is_named_or_lies_next_to_the_notes(tmp_path: Path) -> None:
    notes = tmp_path / "notes.jsonl"
    notes.write_text("")
    assert relations_file(notes, RelationSettings()) is None
    parquet = tmp_path / "relations.parquet"
    parquet.write_text("")
    assert (
        relations_file(notes, RelationSettings()) == relations_file(tmp_path, RelationSettings()) == parquet
    )
    assert relations_file(notes, RelationSettings(file="else.csv")) == Path("else.csv")
    (tmp_path / "relations.csv").write_text("")
    with pytest.raises(ConfigError, match="remove one, or name it by relations"):
        relations_file(tmp_path, RelationSettings())
