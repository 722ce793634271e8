import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uninote.negatives.maxsim import Composites, composite_maxsim, maxsim


def test_worked_by_hand() -> None:
    queries = np.array([[1, 0], [0, 1]], dtype=np.float32)
    elements = np.array([[0.6, 0.8], [1, 0], [0, -1], [0.8, 0.6]], dtype=np.float32)
    owners = np.array([0, 1, 1, 0])
    np.testing.assert_allclose(maxsim(queries, elements, owners), [[0.8, 1.0], [0.8, 0.0]], atol=1e-7)


def test_one_element_each_is_plain_cosine() -> None:
    vectors = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    np.testing.assert_array_equal(maxsim(vectors[:2], vectors, np.arange(5)), vectors[:2] @ vectors.T)


@pytest.mark.parametrize("owners", [[0, 2, 2], [1, 1, 2], [0, 1]])
def test_owners_must_number_all_candidates(owners: list[int]) -> None:
    vectors = np.eye(3, dtype=np.float32)
    with pytest.raises(ValueError, match="owners"):
        maxsim(vectors, vectors, np.array(owners))


def test_no_queries() -> None:
    vectors = np.eye(3, dtype=np.float32)
    assert maxsim(vectors[:0], vectors, np.array([0, 0, 1])).shape == (0, 2)


SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=6)


@given(SIZES, SIZES, st.integers(0, 99))
def test_brute_force(query_sizes: list[int], candidate_sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)

    def side(sizes: list[int]) -> tuple[Composites, list[np.ndarray]]:
        vectors = rng.standard_normal((5, 4)).astype(np.float32)
        places = rng.integers(0, 5, sum(sizes))
        starts = np.cumsum(sizes) - np.array(sizes)
        return Composites(vectors, places, starts), np.split(vectors[places], starts[1:])

    (q, q_items), (c, c_items) = side(query_sizes), side(candidate_sizes)
    expected = [[max(f @ e for f in fs for e in es) for es in c_items] for fs in q_items]
    np.testing.assert_allclose(composite_maxsim(q, c), expected, atol=1e-5)

    owners = np.repeat(np.arange(len(candidate_sizes)), candidate_sizes)
    order = rng.permutation(len(owners))
    expected = [[max(f @ e for e in es) for es in c_items] for f in q.vectors]
    actual = maxsim(q.vectors, c.vectors[c.places][order], owners[order])
    np.testing.assert_allclose(actual, expected, atol=1e-5)
