from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from uninote.errors import ConfigError
from uninote.evaluation.page import write_page
from uninote.evaluation.results import write_json, write_result
from uninote.evaluation.table_charts import COLOURS, chart
from uninote.evaluation.tables import Measure, Table, write_table

CURVES = Table(
    title="Curves",
    columns=("variant", "dim 64", "dim 384"),
    rows=(("on", 10.0, Measure(value=12.0, low=11.0, high=13.0)), ("off", 5.0, None)),
)
BARS = Table(
    title="Bars",
    columns=("variant", "mean"),
    rows=(("a & b", 1.0), ("c", Measure(value=2.0, low=1.0, high=3.0))),
    seeds=(0, 1),
    command="uninote bench run bars",
    note="Connector only.",
)


def test_bars_are_as_long_as_their_values():
    bars = [
        [float(x) for x in re.findall(r"[ML] (\S+) ", path.attrib["d"])]
        for path in ElementTree.fromstring(chart(BARS)).iter("{http://www.w3.org/2000/svg}path")
        if f"fill: {COLOURS[0]}" in path.attrib.get("style", "") and "clip-path" in path.attrib
    ]
    first, second = (max(bar) - min(bar) for bar in bars)
    assert second == pytest.approx(2 * first, rel=1e-3)


@pytest.mark.parametrize("table", [CURVES, BARS])
def test_charts_are_svg_and_the_same_every_time(table):
    drawn = chart(table)
    assert drawn is not None
    assert drawn == chart(table)
    texts = {"".join(e.itertext()) for e in ElementTree.fromstring(drawn).iter() if e.tag.endswith("text")}
    assert ({"on", "64", "384"} if table is CURVES else {"a & b", "c", "mean"}) <= texts


def test_one_number_is_no_chart():
    assert chart(Table(title="t", columns=("x", "y"), rows=(("a", 1.0), ("b", None)))) is None


def test_page_holds_tables_in_order_and_goals(tmp_path):
    results, page = tmp_path / "results", tmp_path / "docs" / "results.md"
    page.parent.mkdir()
    write_table(results / "bars.json", BARS)
    write_table(results / "curves.json", CURVES)
    write_result(results, "goal", "A | claim", 1.5, goal=2.0, unit="points", interval=(1.0, 2.0))
    write_json(results / "other.json", {"something": "else"})
    (results / "summary.md").write_text("## In short\n\nIt works.\n")
    assert write_page([results], page, ["curves"]) == 2
    text = page.read_text()
    assert text.index("It works.") < text.index("## Goals")
    assert text.index("## Goals") < text.index("## Curves") < text.index("## Bars")
    assert "| A \\| claim | 1.50 points [1.00, 2.00] | 2 points |" in text
    assert "| c | 2.0 ± 1.0 |" in text
    assert "Seeds: 0, 1.\nAgain: `uninote bench run bars`" in text
    for name in ("bars", "curves"):
        assert f"images/results/{name}.svg" in text
        assert (page.parent / "images" / "results" / f"{name}.svg").is_file()


def test_no_table_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="run experiments first"):
        write_page([tmp_path], tmp_path / "results.md")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ConfigError, match=r"bad\.json is not readable: it is no JSON"):
        write_page([tmp_path], tmp_path / "results.md")
