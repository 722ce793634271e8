from __future__ import annotations

import numpy as np
import pytest

from uninote.evaluation.baselines.bm25 import Bm25
from uninote.evaluation.baselines.tuned_fusion import Choice, TunedFusion
from uninote.evaluation.deployment.gallery import Gallery, Sample
from uninote.evaluation.deployment.methods import (
    KeywordMethod,
    OneVectorMethod,
    Use,
    cut_dual_tower,
    dual_tower,
    offline_quality,
    online_quality,
    tuned,
)
from uninote.evaluation.vectors import ItemVectors
from uninote.items import Item


@pytest.fixture(scope="module")
def notes(make_note):
    return [make_note(i) for i in range(5)]


def items_of(notes):
    return [note.item() for note in notes]


def test_one_vector_is_the_cosine_of_its_first_dimensions(hash_encoder, notes) -> None:
    items = items_of(notes)
    rows = hash_encoder.encode(items)[:, :16]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    method = OneVectorMethod(ItemVectors(hash_encoder), 16)
    assert method.scores("note", items[:2], items) == pytest.approx(rows[:2] @ rows.T, abs=1e-6)
    assert method.cost(notes) == {"bytes_per_note": 64, "vectors_per_note": 1}


def test_the_fusion_of_each_kind_is_the_best_on_labelled_notes(make_picture) -> None:

    class ByPart:
        def encode(self, items):
            return np.array([table[item.key] for item in items], dtype=np.float32)

    seen, other = make_picture(1), make_picture(2)
    table = {
        Item((part,)).key: row
        for part, row in {seen: [1, 0, 0], other: [0, 1, 0], "red": [0, 0, 1], "blue": [0, 1, 0]}.items()
    }
    notes = [Item.of("blue", seen), Item.of("red", other)]
    gallery = Gallery((Sample("note", "s", Item.of("red", seen)),), {"x": np.array([0])})
    fusion = TunedFusion(ByPart())
    labels = {"x": np.array([False, True])}
    uses = {"note": Use(online_quality, gallery, labels), "none": Use(online_quality, gallery, {})}
    method, quality = tuned(fusion, uses, notes)
    assert quality == 1
    assert method.choices["none"] == Choice()
    scores = method.scores("note", [gallery.samples[0].item], notes)
    assert scores[0, 1] > scores[0, 0]
    flipped, quality = tuned(
        fusion, {"note": Use(online_quality, gallery, {"x": np.array([True, False])})}, notes
    )
    assert quality == 1
    assert flipped.choices["note"] != method.choices["note"]


def test_every_choice_scores_as_it_does_alone(hash_encoder, notes) -> None:
    fusion = TunedFusion(hash_encoder)
    items = [*items_of(notes), Item.of("a text alone")]
    scored = list(fusion.every_choice(items, items))
    assert len(scored) == 52
    for choice, scores in scored:
        np.testing.assert_allclose(scores, fusion.scores(items, items, choice), atol=1e-6)


def test_the_cut_dual_tower_has_at_most_the_bytes_of_one_vector(hash_encoder, notes) -> None:
    items = items_of(notes)
    tuning = {"note": Use(online_quality, Gallery((Sample("note", "n0", items[0]),), {}), {})}
    whole, cut = (
        dual_tower(hash_encoder, tuning, items),
        cut_dual_tower(hash_encoder, 64, notes, tuning, items),
    )
    for method in (whole, cut):
        assert method.scores("note", items[:1], items).shape == (1, 5)
    assert whole.cost(notes)["bytes_per_note"] > 64 * 4 >= cut.cost(notes)["bytes_per_note"] > 64 * 3


def test_keyword_scores_do_not_grow_with_the_length_of_the_sample() -> None:
    notes = [Item.of("apple pie"), Item.of("plum jam"), Item.of("apple jam")]
    samples = [Item.of("apple"), Item.of("apple apple apple"), Item.of("cherry")]
    scores = KeywordMethod(Bm25()).scores("text", samples, notes)
    assert scores[0] == pytest.approx(scores[1])
    assert 0 < scores[0, 0] < 1
    assert np.isneginf(scores[0, 1])
    assert np.isneginf(scores[2]).all()


def test_quality_online_is_of_the_best_sample_and_offline_of_each() -> None:
    samples = tuple(Sample("text", note, Item.of(note)) for note in "ab")
    gallery = Gallery(samples, {"x": np.array([0, 1])})
    scores = np.array([[0.9, 0.1, 0.2], [0.1, 0.3, 0.2]], dtype=np.float32)
    labels = {"x": np.array([True, True, False])}
    assert online_quality(scores, gallery, labels) == 1  # 0.9, 0.3, 0.2
    first, second = (1 + 2 / 3) / 2, (1 + 2 / 3) / 2  # right notes at ranks 1 and 3, for either sample
    assert offline_quality(scores, gallery, labels) == pytest.approx((first + second) / 2)
