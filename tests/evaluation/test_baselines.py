from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import log

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from uninote.evaluation.baselines.bm25 import Bm25
from uninote.evaluation.baselines.late_fusion import (
    CHUNK,
    FUSIONS,
    EncodedOnce,
    LateFusion,
    all_elements,
    picture_elements,
    text_elements,
)
from uninote.evaluation.baselines.phash import PerceptualHash, perceptual_hash, phash
from uninote.evaluation.baselines.ranker import evaluate_baseline
from uninote.evaluation.baselines.readings import with_given
from uninote.evaluation.baselines.report import cut_fusion, report_baselines
from uninote.evaluation.suite import Query, Suite, TaskSuite, build_suite
from uninote.evaluation.variants import changes_pool
from uninote.evaluation.words import words
from uninote.items import Item, Note, Ocr
from uninote.tasks.chunks import chunks
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


def test_given_text_follows_its_picture(make_picture) -> None:
    read, blank, unread = make_picture(1, "", ("a", "b")), make_picture(2, "", ()), make_picture(3)
    text = Ocr("a\nb", read.digest)
    assert with_given(Item.of("t", read, blank, unread)).parts == ("t", read, text, blank, unread)
    whole = Item.of("t", read, Ocr("a", read.digest), blank)  # masked: the item holds what is given
    assert with_given(whole) == whole


def test_bm25_searches_the_text_read_in_a_picture(make_picture) -> None:
    pictures = [make_picture(i, "", (f"word{i}",)) for i in range(3)]
    items = tuple(map(Item.of, pictures))
    text = Item.of("word1 there")
    pictures_wanted = TaskSuite("OCR2I", Task.OCR2I, (Query(text, "n", {items[1].key: 1}),), items)
    assert Bm25().rank(pictures_wanted, 1).tolist() == [[1]]
    text_wanted = TaskSuite("I2OCR", Task.I2OCR, (Query(items[1], "n", {text.key: 1}),), (Item.of("x"), text))
    assert Bm25().rank(text_wanted, 1).tolist() == [[1]]


def test_bm25_is_blind_to_pictures_without_text_and_says_so(make_note) -> None:
    notes = [make_note(i) for i in range(8)]
    bare = [note.with_pictures(tuple(replace(p, ocr=None) for p in note.pictures)) for note in notes]
    result = evaluate_baseline(Bm25(), build_suite(bare), bootstrap=10)
    blind = {name for name, entry in result["tasks"].items() if "note" in entry}
    assert blind == {"I2T", "T2I", "I2Note", "Note2I"}
    assert all(result["tasks"][name]["recall@10"] == 0 for name in blind)
    assert "pictures" in result["tasks"]["I2T"]["note"]
    assert result["tasks"]["T2Note"]["recall@1"] == 1  # every note has a word of its own
    assert result["cost"]["vectors_per_note"] == 0
    assert result["cost"]["bytes_per_note"] > 8
    full = evaluate_baseline(Bm25(), build_suite(notes), bootstrap=0)
    assert not any("note" in entry for entry in full["tasks"].values())
    assert full["cost"]["bytes_per_note"] > result["cost"]["bytes_per_note"]


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
    assert len(all_elements(Item.of(picture, "a", annotated, "a"))) == 3  # the third is what was read


def test_elements_are_pictures_without_text_and_chunks(make_picture) -> None:
    picture = make_picture(1, "described", ("read",))
    long = " ".join(f"Sentence number {n} of many." for n in range(40))
    elements = all_elements(Item.of(long, picture))
    (of_picture,) = (element.pictures[0] for element in elements if element.pictures)
    assert (of_picture.digest, of_picture.ocr) == (picture.digest, ())
    texts = [element.parts[0] for element in elements if element.texts]
    assert texts == [*chunks(long), "read"]
    assert (type(texts[-1]), texts[-1].of) == (Ocr, picture.digest)
    assert picture_elements(Item.of(long, picture)) == (Item.of(of_picture),)
    assert [element.parts[0] for element in text_elements(Item.of(long, picture))] == texts


def test_a_cut_index_stores_some_elements_and_dimensions_of_targets(hash_encoder, make_note) -> None:
    notes = [make_note(i) for i in range(6)]
    targets = tuple(note.item() for note in notes)
    queries = tuple(Query(Item(note.item().parts[1:4]), "n", {targets[0].key: 1}) for note in notes)
    task = TaskSuite("T2Note", Task.T2NOTE, queries, targets)
    ranker = LateFusion(hash_encoder, fusion="mean_max", kept=3, dim=5)
    ids = ranker.rank(task, 6)

    def short(elements: Sequence[Item]) -> np.ndarray:
        rows = hash_encoder.encode(elements)[:, :5]
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    for row, query in enumerate(queries):
        ours = short(all_elements(query.item))
        kept = [[all_elements(target)[n] for n in (0, 2, 5)] for target in targets]  # of eight
        scores = np.array([(ours @ short(elements).T).max(axis=1).mean() for elements in kept])
        np.testing.assert_allclose(scores[ids[row]], np.sort(scores)[::-1], atol=1e-6)
    assert ranker.cost(notes) == {"bytes_per_note": 3 * 5 * 4, "vectors_per_note": 3, "dim": 5}


def test_an_element_is_encoded_once_for_several_rankers(suite, hash_encoder) -> None:
    shared = EncodedOnce(hash_encoder)
    first, second = (LateFusion(shared, fusion=fusion) for fusion in FUSIONS)
    first.rank(suite.tasks[0], 1)
    second.rank(suite.tasks[0], 1)
    keys = [key for call in hash_encoder.calls for key in call]
    assert len(keys) == len(set(keys)) > 0
    items = [Item.of("b"), Item.of("a"), Item.of("b")]
    np.testing.assert_array_equal(shared.encode(items), hash_encoder.encode(items))


def test_baselines_of_the_report(suite, make_note, hash_encoder, load) -> None:
    validation = build_suite([make_note(i) for i in range(20, 24)])
    asked: list[int] = []

    def tune_on() -> Suite:
        asked.append(1)
        return validation

    makers = report_baselines(hash_encoder, 64, suite.notes, tune_on, load)
    fusions = ["dual tower, best pair", "dual tower, mean of best", "dual tower, tuned"]
    assert list(makers) == ["BM25", *fusions, "dual tower, equal bytes", "perceptual hash"]
    assert asked == []
    made = {name: make() for name, make in makers.items()}
    assert asked == [1]
    results = {name: evaluate_baseline(ranker, suite, bootstrap=0) for name, ranker in made.items()}
    assert results["dual tower, best pair"]["cost"]["bytes_per_note"] == 8 * 64 * 4
    assert 0.7 * 64 * 4 < results["dual tower, equal bytes"]["cost"]["bytes_per_note"] <= 64 * 4
    assert set(made["dual tower, tuned"].choices) == {
        task.name for task in validation.all_tasks if not changes_pool(task.name)
    }
    untuned = report_baselines(hash_encoder, 64, suite.notes, lambda: None, load)["dual tower, equal bytes"]()
    untuned.rank(suite.tasks[0], 1)
    assert untuned.cost(suite.notes) == {"bytes_per_note": 256, "vectors_per_note": 8, "dim": 8}


def test_the_cut_has_the_number_of_elements_that_is_best_on_validation(lookup_encoder) -> None:
    table = {"query": [0.6, 0.8], "noise": [0.0, 1.0], "right": [1.0, 0.0], "wrong": [-1.0, 0.0]}
    right, wrong = Item.of("noise", "right"), Item.of("noise", "wrong")
    task = TaskSuite("T2Note", Task.T2NOTE, (Query(Item.of("query"), "n", {right.key: 1}),), (wrong, right))
    notes = [Note("a", "noise", "right"), Note("b", "noise", "wrong")]
    chosen = cut_fusion(lookup_encoder(table), 2, notes, Suite((), (task,)))
    # Not one element of two dimensions, which is the noise of both, but two of one dimension.
    assert chosen.cost(notes) == {"bytes_per_note": 8, "vectors_per_note": 2, "dim": 1}
    assert chosen.rank(task, 1).tolist() == [[1]]


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
