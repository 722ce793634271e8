from __future__ import annotations

import pytest
from pydantic import ValidationError

from uninote.errors import ConfigError
from uninote.evaluation.tables import Measure, Table, over_seeds, read_table, write_table


def test_interval_is_students_t():
    # Mean 2, deviation 1, three values: 4.302653 * 1 / sqrt(3).
    measure = over_seeds([1.0, 2.0, 3.0])
    assert measure.value == 2
    assert measure.high is not None
    assert measure.high - 2 == pytest.approx(2.484138, abs=1e-5)
    assert over_seeds([4.0]) == Measure(value=4.0)
    with pytest.raises(ValueError, match="at least one"):
        over_seeds([])


def test_text():
    assert Measure(value=41.24).text() == "41.2"
    assert Measure(value=41.24, low=40.24, high=42.24).text() == "41.2 ± 1.0"
    assert Measure(value=41.2, low=40.0, high=42.0).text() == "41.2 [40.0, 42.0]"


def test_a_table_survives_its_file(tmp_path):
    rows = (("a|b", 3, 1.25, None), ("c", 4, Measure(value=1.0, low=0.5, high=1.5), 2.0))
    table = Table(title="t", columns=("x", "n", "y", "z"), rows=rows, seeds=(0, 1), command="c", note="n")
    write_table(tmp_path / "t.json", table)
    assert read_table(tmp_path / "t.json") == table
    assert table.markdown().splitlines()[2:] == [
        "| a\\|b | 3 | 1.2 | – |",
        "| c | 4 | 1.0 ± 0.5 | 2.0 |",
    ]


def test_ragged_rows_are_refused():
    with pytest.raises(ValidationError, match="row 1 has 1 cells for 2 columns"):
        Table(title="t", columns=("a", "b"), rows=((1, 2), (3,)))


def test_a_file_without_a_table_is_named(tmp_path):
    (tmp_path / "t.json").write_text('{"title": "t"}')
    with pytest.raises(ConfigError, match=r"t\.json holds no table"):
        read_table(tmp_path / "t.json")
