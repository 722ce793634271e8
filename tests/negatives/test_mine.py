import itertools
import random

import numpy as np
import pytest
from tests.encoder.compact.small_towers import small_encoder
from tests.encoder.wide_backbone import WideSettings
from tests.evaluation.conftest import picture_of
from tests.tasks.repeated_notes import answers, repeated_notes

from uninote.encoder import Encoder
from uninote.errors import ItemError
from uninote.items import Item, Note, Picture
from uninote.negatives.example import Example
from uninote.negatives.index import ReferenceIndex
from uninote.negatives.mine import TaskReport, mine_examples, mine_from_index, pair_items, usable_examples
from uninote.settings import NegativeSettings
from uninote.tasks.definitions import SFT_TASKS, Pair, Task
from uninote.tasks.pairs import make_pairs


@pytest.fixture
def pairs(picture) -> list[Pair]:
    """Pairs of all tasks of 12 notes with repeated descriptions, a shared picture and shared OCR lines."""
    rng = random.Random(0)
    notes = [
        Note(
            f"n{k}",
            f"Title {k}",
            f"Body {k // 2}",
            (
                picture(
                    f"{k}.0", rng.choice(["screenshot", f"scene {k}"]), (f"line {k // 3}", "common line")
                ),
                picture(f"{k}.1", f"view {k}", (f"sign {k}",)),
                picture("shared", "a logo"),
            ),
        )
        for k in range(12)
    ]
    return [pair for task in SFT_TASKS for pair in make_pairs(notes, task)]


def test_worked_by_hand(table_reference) -> None:
    angles = {"q0": 0, "c0": 10, "c1": 30, "c2": 50, "c3": 80, "q1": 200, "q2": 210, "q3": 220}
    reference = table_reference(
        {k: (np.cos(np.radians(a)), np.sin(np.radians(a))) for k, a in angles.items()}
    )
    pairs = [Pair(Task.I2T, Item.of(f"q{k}"), Item.of(f"c{k}"), f"n{k}", 0) for k in range(4)]
    settings = NegativeSettings(per_query=2, band=(0.6, 0.7), band_unit="similarity")
    first = mine_examples(pairs, reference, settings, 0)[0]
    # cos 50 = 0.64 is in the band, cos 80 = 0.17 below, cos 30 = 0.87 above: a possible false negative.
    assert first.negatives == (Item.of("c2"), Item.of("c3"))
    assert first.scores == pytest.approx(np.cos(np.radians([50, 80])), abs=1e-6)
    assert first.positive_score == pytest.approx(np.cos(np.radians(10)), abs=1e-6)


def test_negatives_are_never_positives_nor_of_the_same_note(pairs, reference) -> None:
    examples = mine_examples(pairs, reference, NegativeSettings(per_query=5), 0)
    assert [example.pair for example in examples] == pairs
    for example in examples:
        same_query = [p for p in pairs if (p.task, p.query) == (example.pair.task, example.pair.query)]
        own_notes = {pair.note_id for pair in same_query}
        mined = example.negatives[1:] if example.pair.counterfactual else example.negatives
        keys = [item.key for item in mined]
        assert len(set(keys)) == len(keys)
        for key in keys:
            owners = {p.note_id for p in pairs if p.task is example.pair.task and p.positive.key == key}
            assert owners
            assert owners.isdisjoint(own_notes)
            assert key != example.pair.query.key


def test_scores_are_maxsim_of_the_reference(pairs, reference) -> None:
    def score(query: Item, candidate: Item) -> float:
        vectors = [reference.encode([Item((part,)) for part in item.parts]) for item in (query, candidate)]
        return float((vectors[0] @ vectors[1].T).max())

    for example in mine_examples(pairs, reference, NegativeSettings(per_query=3), 0)[::5]:
        query = example.pair.query
        assert example.positive_score == pytest.approx(score(query, example.pair.positive), abs=1e-6)
        assert example.scores == pytest.approx([score(query, item) for item in example.negatives], abs=1e-6)


def test_the_rule_negative_comes_first_and_is_additional(pairs, reference) -> None:
    on = mine_examples(pairs, reference, NegativeSettings(per_query=2), 0)
    off = mine_examples(pairs, reference, NegativeSettings(per_query=2, rule=False), 0)
    assert any(example.pair.counterfactual for example in on)
    for with_rule, without in zip(on, off, strict=True):
        rule = with_rule.pair.counterfactual
        assert with_rule.negatives == ((rule, *without.negatives) if rule else without.negatives)
    alone = mine_examples(pairs, reference, NegativeSettings(per_query=0), 0)
    assert {len(example.negatives) for example in alone} == {0, 1}


def test_the_seed_decides(pairs, reference) -> None:
    settings = NegativeSettings(per_query=3, band=(0.3, 0.9))
    assert mine_examples(pairs, reference, settings, 1) == mine_examples(pairs, reference, settings, 1)
    assert mine_examples(pairs, reference, settings, 1) != mine_examples(pairs, reference, settings, 2)


def test_tasks_are_mined_independently(pairs, reference) -> None:
    settings = NegativeSettings(per_query=3)
    mixed = [pair for group in itertools.zip_longest(pairs[::2], pairs[1::2]) for pair in group if pair]
    together = mine_examples(mixed, reference, settings, 0)
    alone = mine_examples([p for p in mixed if p.task is Task.T2I], reference, settings, 0)
    assert [e for e in together if e.pair.task is Task.T2I] == alone


def test_elements_are_encoded_once(pairs, reference) -> None:
    mine_examples(pairs, reference, NegativeSettings(), 0)
    keys = [item.key for item in reference.encoded]
    assert len(set(keys)) == len(keys)
    assert all(len(item.parts) == 1 for item in reference.encoded)


def test_the_report_counts_every_place(pairs, reference) -> None:
    report: list[TaskReport] = []
    examples = mine_examples(pairs, reference, NegativeSettings(per_query=4), 0, report)
    assert [entry.task for entry in report] == list(SFT_TASKS)
    for entry in report:
        mine = [example for example in examples if example.pair.task is entry.task]
        assert entry.queries == len(mine)
        assert entry.candidates == len({example.pair.positive.key for example in mine})
        assert entry.band.low <= entry.band.high
        assert entry.rule == sum(example.pair.counterfactual is not None for example in mine)
        places = entry.from_band + entry.below_band + entry.random
        assert places + entry.missing == 4 * len(mine)
        assert places + entry.rule == sum(len(example.negatives) for example in mine)


def test_one_note_has_no_negatives_but_the_rule(picture, reference) -> None:
    pairs = make_pairs([Note("n", "T", "B", (picture("p", "x y"), picture("q", "z")))], Task.I2NOTE)
    report: list[TaskReport] = []
    examples = mine_examples(pairs, reference, NegativeSettings(), 0, report)
    assert [example.negatives for example in examples] == [(pair.counterfactual,) for pair in pairs]
    assert np.isnan(report[0].band).all()


def test_no_pairs(reference) -> None:
    assert mine_examples([], reference, NegativeSettings(), 0) == []


def test_a_shared_index_must_hold_the_items(pairs, reference) -> None:
    index = ReferenceIndex(pair_items(pairs), reference)
    settings = NegativeSettings(per_query=2)
    assert mine_from_index(pairs, index, settings, 0) == mine_examples(pairs, reference, settings, 0)
    with pytest.raises(ItemError):
        mine_from_index(pairs, ReferenceIndex([], reference), settings, 0)


@pytest.mark.slow
def test_twenty_thousand_pairs(table_reference) -> None:
    count = 20_000
    settings = NegativeSettings(per_query=8, band=(0.99, 0.998), pool=256)
    vectors = np.random.default_rng(0).standard_normal((2 * count, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    reference = table_reference({str(number): vectors[number] for number in range(2 * count)})
    pairs = [
        Pair(Task.T2I, Item.of(str(number)), Item.of(str(count + number)), f"n{number}", 0)
        for number in range(count)
    ]
    report: list[TaskReport] = []
    examples = mine_examples(pairs, reference, settings, 0, report)
    band = report[0].band
    assert report[0].from_band == 8 * count
    scores = np.array([example.scores for example in examples], dtype=np.float32)
    assert (scores >= band.low).all()
    assert (scores <= band.high).all()
    for number in range(0, count, 1999):
        negatives = [int(item.texts[0]) for item in examples[number].negatives]
        assert count + number not in negatives
        np.testing.assert_allclose(scores[number], vectors[negatives] @ vectors[number], atol=1e-6)
        everything = np.sort(vectors[count:] @ vectors[number])
        assert min(scores[number]) >= everything[-257] - 1e-6


@pytest.mark.parametrize("seed", range(6))
def test_no_negative_answers_its_query_by_content(seed: int, reference) -> None:
    notes = repeated_notes(seed, 12)
    pairs = [pair for task in SFT_TASKS for pair in make_pairs(notes, task)]
    settings = NegativeSettings(per_query=20, band=(-1, 1), band_unit="similarity")
    examples = mine_examples(pairs, reference, settings, 0)
    assert sum(len(example.negatives) for example in examples) > len(pairs)
    for example in examples:
        assert not [item for item in example.negatives if answers(example.pair, item)]


def test_a_lost_picture_costs_the_pairs_that_are_that_picture(caplog) -> None:
    lost = Picture.from_bytes(b"no picture")
    good = [picture_of(n) for n in range(3)]
    pairs = [
        Pair(Task.NOTE2NOTE, Item.of("first", lost), Item.of("a body", good[0]), "n0", None),
        Pair(Task.NOTE2NOTE, Item.of("second", good[1]), Item.of("other", good[2]), "n1", None),
        Pair(Task.I2NOTE, Item.of(lost), Item.of("first"), "n0", 0),
    ]
    index = ReferenceIndex(pair_items(pairs), small_encoder())
    examples = mine_from_index(pairs, index, NegativeSettings(), seed=0)
    assert [example.pair for example in examples] == pairs[:2]
    assert index.scores([Item.of("first", lost)], [Item.of("first")])[0, 0] == pytest.approx(1, abs=1e-3)
    assert "left out of training: item" in caplog.text
    mined = [Example(pair, (Item.of(lost), Item.of("other", good[2])), (0.5, 0.1), 1.0) for pair in pairs]
    kept = usable_examples(mined, index)
    assert [(one.pair, one.scores) for one in kept] == [(pair, (0.1,)) for pair in pairs[:2]]


def test_a_pair_that_the_reference_cannot_embed_is_left_out_by_name(caplog) -> None:
    encoder = Encoder.build(WideSettings(width=64, dims=(64,), device="cpu"))
    texts = [("red car", "a car"), ("rain", "a nan"), ("zero", "wet"), ("boat", "a blue boat")]
    pairs = [
        Pair(Task.T2NOTE, Item.of(query), Item.of(positive), f"n{number}", 0)
        for number, (query, positive) in enumerate(texts)
    ]
    examples = mine_examples(pairs, encoder, NegativeSettings(), seed=0)
    assert [example.pair.note_id for example in examples] == ["n0", "n3"]
    negatives = {item.texts[0] for example in examples for item in example.negatives}
    assert negatives <= {"a car", "a blue boat"}
    assert "left out of training: item" in caplog.text
    assert "(a nan)" in caplog.text
