from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from uninote.errors import VectorError
from uninote.store.protocol import Record
from uninote.store.validate import check_records, cosine, unit_queries, unit_vector


@given(arrays(np.float64, 5, elements=st.floats(allow_nan=False, allow_infinity=False)).filter(np.any))
def test_any_finite_direction_becomes_unit(vector: np.ndarray) -> None:
    unit = unit_vector(vector, 5)
    assert unit.dtype == np.float32
    assert np.linalg.norm(unit.astype(np.float64)) == pytest.approx(1, abs=1e-6)
    assert unit_vector(vector.tolist(), 5).tolist() == unit.tolist()


def test_worked_by_hand() -> None:
    assert unit_vector([3, 4], 2) == pytest.approx([0.6, 0.8])
    assert unit_queries([[3, 4], [0, -2]], 2) == pytest.approx(np.array([[0.6, 0.8], [0, -1]]))


def test_a_bad_query_is_named_by_its_row() -> None:
    with pytest.raises(VectorError, match=r"query 1.*zero"):
        unit_queries([[1, 0], [0, 0]], 2)


def test_records_come_back_sorted_and_once() -> None:
    records = [
        Record("b", [1, 0], "x"),
        Record("a", [1, 0], "x"),
        Record("b", [0, 1], "y"),
        Record("b", [0], "z"),
    ]
    good, rejected = check_records(records, 2)
    assert [(record.id, record.kind) for record in good] == [("a", "x"), ("b", "y")]
    assert [id for id, _ in rejected] == ["b"]


def test_scores_are_clipped_and_rounded() -> None:
    assert [cosine(x) for x in (1.0000001, -1.0000001, 0.12345649)] == [1, -1, 0.123456]
