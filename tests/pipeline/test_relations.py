"""Relations of a run: the task, the line about them, the record that refuses what was trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from uninote.corpus.relations.behaviour import Behaviour
from uninote.corpus.relations.graph import Relations
from uninote.corpus.skips import SkipReport
from uninote.corpus.splits import Splits
from uninote.errors import ConfigError
from uninote.evaluation.relations import relation_tasks
from uninote.evaluation.suite import Suite
from uninote.items import Note
from uninote.negatives import Example
from uninote.pipeline.relations import described, load_behaviour
from uninote.pipeline.trained_relations import (
    RECORD,
    pairs_of_examples,
    pairs_of_rankings,
    record,
    refuse_seen,
)
from uninote.settings import RelationSettings, RlSettings, load_settings
from uninote.tasks.related import related_pairs
from uninote.training.rl import rl_halves

NOTES = [Note(f"n{i}", f"title {i}", "body") for i in range(8)]
ITEMS = [note.item() for note in NOTES]
ROWS = [
    *[("u", f"n{i}", t) for i, t in ((0, 1), (1, 2), (2, 3))],
    *[("v", f"n{i}", t) for i, t in ((0, 4), (1, 5), (3, 5))],
    *[("w", f"n{i}", t) for i, t in ((0, 10), (1, 10), (4, 11), (5, 12))],
]


def behaviour_of(folder: Path, **options: Any) -> Behaviour:
    (folder / "relations.csv").write_text(
        "\n".join(["user,item,time", *(f"{u},{i},{t}" for u, i, t in ROWS)])
    )
    settings = load_settings(relations={"since": 10, "method": "cosine", **options})
    found = load_behaviour(folder / "notes.jsonl", NOTES, settings, SkipReport())
    assert found is not None
    return found


def suite_of(behaviour: Behaviour) -> Suite:
    [build] = relation_tasks(behaviour)
    task = build(NOTES)
    assert task is not None
    return Suite(tuple(NOTES), (), (task,))


def test_without_relations_there_is_no_task(tmp_path: Path) -> None:
    assert load_behaviour(tmp_path / "notes.jsonl", NOTES, load_settings(), SkipReport()) is None
    assert relation_tasks(None) == []


def test_one_line_tells_what_is_used_and_what_is_left_out(tmp_path: Path) -> None:
    splits = Splits(NOTES[:3], [], NOTES[3:])
    text = described(behaviour_of(tmp_path), splits)
    assert text.startswith(
        "relations: 3 pairs of training notes to train on, 1 pairs of test notes to measure on"
    )
    assert text.endswith("from 10 on; 0 pairs known before left out")
    pairs = Behaviour(
        Relations({("n0", "n1"): 1.0, ("n2", "n3"): 1.0, ("n4", "n5"): 1.0}), RelationSettings()
    )
    assert described(pairs, splits).endswith("to measure on; 1 pairs across the split left out")


def test_a_model_of_earlier_events_may_be_measured(tmp_path: Path) -> None:
    behaviour = behaviour_of(tmp_path)
    relations = behaviour.training(NOTES)
    pairs = related_pairs(NOTES, relations, 99, 0)
    record(tmp_path, pairs_of_examples([Example(pair, (), (), 1.0) for pair in pairs]), relations.until)
    kept = json.loads((tmp_path / RECORD).read_text())
    assert (kept["until"], len(kept["pairs"])) == (5.0, len(relations))
    refuse_seen(tmp_path, behaviour, suite_of(behaviour))


def test_events_of_the_measured_time_are_refused(tmp_path: Path) -> None:
    later = behaviour_of(tmp_path, since=12)
    halves = rl_halves(NOTES, RlSettings(relations=1), 0, later.training(NOTES))
    record(tmp_path, pairs_of_rankings(halves), later.training(NOTES).until)
    earlier = behaviour_of(tmp_path)
    with pytest.raises(
        ConfigError, match=r"up to 11, and relations are measured from 10 on: set relations\.since"
    ):
        refuse_seen(tmp_path, earlier, suite_of(earlier))


def test_trained_pairs_are_refused_also_without_times_and_after_a_merge(tmp_path: Path) -> None:
    behaviour = behaviour_of(tmp_path, only_new=False)  # n0 and n1 were related before, too
    first, second, merged, plain = (tmp_path / name for name in ("first", "second", "merged", "plain"))
    for folder in (first, second, merged, plain):
        folder.mkdir()
    record(first, [(ITEMS[1], ITEMS[0])], 5.0)
    record(second, [(ITEMS[6], ITEMS[7])])
    record(merged, (), before=[second, first])
    for model in (first, merged):
        with pytest.raises(ConfigError, match=r"trained on 2 of the relations to be measured"):
            refuse_seen(model, behaviour, suite_of(behaviour))
    refuse_seen(second, behaviour, suite_of(behaviour))
    new = behaviour_of(tmp_path)
    refuse_seen(merged, new, suite_of(new))
    record(merged, (), before=[plain])
    assert not (merged / RECORD).exists()
    refuse_seen(merged, behaviour, suite_of(behaviour))
