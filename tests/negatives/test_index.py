from collections.abc import Sequence

import numpy as np
import pytest

from uninote.errors import ItemError, VectorError
from uninote.items import Item
from uninote.negatives.index import ReferenceIndex


def test_scores_worked_by_hand(table_reference) -> None:
    vectors = {"north": [0, 1], "east": [1, 0], "north-east": [0.6, 0.8], "south": [0, -1]}
    atoms = {name: Item.of(name) for name in vectors}
    note = Item.of("south", "north-east")
    index = ReferenceIndex([*atoms.values(), note], table_reference(vectors))
    scores = index.scores([atoms["north"], atoms["east"]], [atoms["south"], note, atoms["east"]])
    np.testing.assert_allclose(scores, [[-1, 0.8, 0], [0, 0.6, 1]], atol=1e-7)
    # A composite query takes its best element too.
    np.testing.assert_allclose(index.scores([note], [atoms["south"], atoms["north"]]), [[1, 0.8]], atol=1e-7)


def test_brute_force_over_composite_items(reference, picture) -> None:
    pictures = [picture(str(number)) for number in range(6)]
    notes = [Item.of(f"title {k}", f"body {k % 3}", *pictures[k : k + 1 + k % 3]) for k in range(5)]
    atoms = [Item.of(pictures[0]), Item.of("body 1"), Item.of("unseen")]
    index = ReferenceIndex([*notes, *atoms], reference)

    def score(query: Item, candidate: Item) -> float:
        vectors = [reference.encode([Item((part,)) for part in item.parts]) for item in (query, candidate)]
        return float((vectors[0] @ vectors[1].T).max())

    queries, candidates = [*atoms, *notes[:2]], [*notes, *atoms]
    expected = [[score(query, candidate) for candidate in candidates] for query in queries]
    np.testing.assert_allclose(index.scores(queries, candidates), expected, atol=1e-6)
    paired = index.paired_scores(candidates * 100, candidates[::-1] * 100)
    np.testing.assert_allclose(
        paired, [score(*pair) for pair in zip(candidates, candidates[::-1], strict=True)] * 100, atol=1e-6
    )


def test_every_element_is_encoded_once(reference, picture) -> None:
    shared = picture("shared")
    relabelled = picture("shared", "a description", ("a line",))
    items = [Item.of("text", shared), Item.of("text"), Item.of(relabelled, "other"), Item.of("text", shared)]
    ReferenceIndex(items, reference)
    assert [item.key for item in reference.encoded] == [
        item.key for item in (Item.of("text"), Item.of(shared), Item.of("other"))
    ]


def test_empty_sides(reference) -> None:
    index = ReferenceIndex([Item.of("a"), Item.of("a", "b")], reference)
    assert index.scores([], [Item.of("a")]).shape == (0, 1)
    assert index.scores([Item.of("a", "b")], []).shape == (1, 0)
    assert index.paired_scores([], []).shape == (0,)
    assert ReferenceIndex([], reference).scores([], []).shape == (0, 0)


def test_items_must_be_indexed(reference) -> None:
    index = ReferenceIndex([Item.of("a", "b")], reference)
    assert Item.of("a", "b") in index
    assert Item.of("a") not in index
    with pytest.raises(ItemError, match="index every item"):
        index.scores([Item.of("a", "b")], [Item.of("a")])


@pytest.mark.parametrize("vectors", [np.ones((1, 3)), np.ones(2), np.array([[1.0, np.nan], [1.0, 0.0]])])
def test_broken_reference_vectors_are_refused(vectors: np.ndarray) -> None:
    class Broken:
        def encode(self, items: Sequence[Item]) -> np.ndarray:
            return vectors

    with pytest.raises(VectorError):
        ReferenceIndex([Item.of("a"), Item.of("b")], Broken())


def test_a_note_may_count_as_one_item(reference, picture) -> None:
    note, atom = Item.of("title", picture("p")), Item.of("title")
    scores = ReferenceIndex([note, atom], reference, whole=True).scores([atom], [note, atom])
    vectors = reference.encode([note, atom])
    np.testing.assert_allclose(scores[0], vectors @ vectors[1], atol=1e-6)
    assert ReferenceIndex([note, atom], reference).scores([atom], [note])[0, 0] == pytest.approx(1, abs=1e-6)
