from __future__ import annotations

from collections import Counter
from math import log

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from uninote.evaluation.baselines.bm25 import Bm25
from uninote.evaluation.baselines.late_fusion import CHUNK, LateFusion, all_elements
from uninote.evaluation.baselines.phash import PerceptualHash, perceptual_hash, phash
from uninote.evaluation.baselines.ranker import evaluate_baseline
from uninote.evaluation.suite import Query, Suite, TaskSuite, build_suite
from uninote.evaluation.words import words
from uninote.items import Item
from uninote.tasks.definitions import Task


@pytest.fixture(scope="module")
def suite(make_note):
    return build_suite([make_note(i) for i in range(8)])


def bm25_by_hand(query: str, documents: list[str]) -> list[float]:
    """Compute Lucene's BM25 with k1 = 1.5, b = 0.75."""
    counts = [Counter(words(document)) for document in documents]
    mean = sum(sum(count.values()) for count in counts) / len(counts)
    scores = []
    for count in counts:
        score = 0.0
        for word in words(query):
            spread = sum(word in other for other in counts)
            idf = log(1 + (len(counts) - spread + 0.5) / (spread + 0.5))
            norm = 1.5 * (1 - 0.75 + 0.75 * sum(count.values()) / mean)
            score += idf * count[word] / (count[word] + norm)
        scores.append(score)
    return scores


def test_bm25_orders_as_the_formula(make_task) -> None:
    documents = ["red apple pie", "apple", "green pear and apple apple", "工具选项对话框", "blue sky"]
    queries = ["apple pie", "green apple", "选项", "unknown words"]
    task = make_task({query: {"apple": 1} for query in queries}, documents)
    ids = Bm25().rank(task, 5)
    for row, query in enumerate(queries):
        scores = bm25_by_hand(query, documents)
        expected = sorted((i for i, s in enumerate(scores) if s > 0), key=lambda i: -scores[i])
        assert [i for i in ids[row] if i >= 0] == expected
    assert ids[2].tolist() == [3, -1, -1, -1, -1]
    assert (ids[3] == -1).all()


def test_bm25_leaves_excluded_targets_out(make_task) -> None:
    task = make_task({"apple": {"apple pie": 1}}, ["apple", "apple pie"], excluded={"apple": ["apple"]})
    assert Bm25().rank(task, 2).tolist() == [[1, -1]]


def test_bm25_is_blind_to_pictures_and_says_so(suite) -> None:
    result = evaluate_baseline(Bm25(), suite, bootstrap=10)
    blind = {name for name, entry in result["tasks"].items() if "note" in entry}
    assert blind == {"I2T", "T2I", "I2Note", "Note2I", "I2OCR", "OCR2I"}
    assert all(result["tasks"][name]["recall@10"] == 0 for name in blind)
    assert "pictures" in result["tasks"]["I2T"]["note"]
    assert result["tasks"]["T2Note"]["recall@1"] == 1  # every note has a word of its own
    assert result["cost"]["vectors_per_note"] == 0
    assert result["cost"]["bytes_per_note"] > 8


@pytest.mark.parametrize("fusion", ["max", "mean_max"])
def test_late_fusion_equals_loops(fusion, hash_encoder, make_note) -> None:
    notes = [make_note(i, pictures=1 + i % 3).item() for i in range(7)]
    targets = tuple(notes)
    queries = tuple(
        Query(Item(notes[i % 7].parts[i % 2 : 2 + i % 3]), "n", {targets[0].key: 1}) for i in range(CHUNK + 9)
    )
    task = TaskSuite("T2Note", Task.T2NOTE, queries, targets)
    ids = LateFusion(hash_encoder, fusion=fusion).rank(task, 7)
    for row, query in enumerate(queries):
        ours = hash_encoder.encode(all_elements(query.item))
        best = [(ours @ hash_encoder.encode(all_elements(t)).T).max(axis=1) for t in targets]
        scores = np.array([b.max() if fusion == "max" else b.mean() for b in best])
        np.testing.assert_allclose(scores[ids[row]], np.sort(scores)[::-1], atol=1e-6)


def test_late_fusion_encodes_elements_once_and_counts_its_cost(suite, hash_encoder) -> None:
    ranker = LateFusion(hash_encoder)
    result = evaluate_baseline(ranker, suite, bootstrap=0)
    keys = [key for call in hash_encoder.calls for key in call]
    assert len(keys) == len(set(keys))
    # title, body, three pictures and their three OCR texts
    assert result["cost"] == {"bytes_per_note": 8 * 64 * 4, "vectors_per_note": 8, "dim": 64}
    # half of a note shares pictures with the best targets of its ranking
    assert result["tasks"]["Note2Note"]["precision@1"] == 1


def test_a_repeated_part_is_one_element(make_picture) -> None:
    picture, annotated = make_picture(1), make_picture(1, "described", ("read",))
    assert len(all_elements(Item.of(picture, "a", annotated, "a"))) == 2


def test_perceptual_hash_survives_resizing_and_brightness_but_not_another_picture(make_picture, load) -> None:
    image = load(make_picture(1)).resize((200, 160), Image.Resampling.BICUBIC)
    same = ImageEnhance.Brightness(image.resize((97, 80))).enhance(0.8)
    assert phash(image) @ phash(same) > 0.85
    assert phash(image) @ phash(load(make_picture(2))) < 0.7
    assert np.linalg.norm(phash(image)) == pytest.approx(1)


def test_perceptual_hash_cosine_is_the_hamming_distance(make_picture, load) -> None:
    items = [Item.of(make_picture(i)) for i in range(2)]
    hashes = PerceptualHash(load).encode(items)
    differ = int((np.sign(hashes[0]) != np.sign(hashes[1])).sum())
    assert hashes[0] @ hashes[1] == pytest.approx(1 - 2 * differ / 64)


def test_perceptual_hash_is_picture_to_picture_only(suite, load) -> None:
    result = evaluate_baseline(perceptual_hash(load), suite, bootstrap=0)
    able = {name for name, entry in result["tasks"].items() if "note" not in entry}
    assert able == {"I2Note", "Note2I", "Note2Note"}
    assert result["tasks"]["Note2Note"]["precision@1"] == 1
    assert result["cost"]["bytes_per_note"] == 3 * 8


def test_items_without_elements_neither_find_nor_are_found(make_picture, load) -> None:
    picture, words_only = Item.of(make_picture(1)), Item.of("words")
    queries = (Query(picture, "a", {picture.key: 1}), Query(words_only, "b", {words_only.key: 1}))
    task = TaskSuite("I2T", Task.I2T, queries, (words_only, picture))
    assert perceptual_hash(load).rank(task, 2).tolist() == [[1, -1], [-1, -1]]
    assert (
        evaluate_baseline(perceptual_hash(load), Suite((), (task,)), bootstrap=0)["tasks"]["I2T"]["recall@1"]
        == 0.5
    )
