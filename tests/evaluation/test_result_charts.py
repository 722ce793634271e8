"""Charts of the main results: every line is drawn, and points stand where their numbers say."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from uninote.evaluation.result_charts import quality_bytes, seesaw

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> set[str]:
    return {"".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")}


def markers(svg: str, colour: str) -> list[tuple[float, float]]:
    """Return the places of the markers of one colour."""
    uses = ET.fromstring(svg).iter(f"{SVG}use")
    found = [use.attrib for use in uses if f"fill: {colour}" in use.attrib.get("style", "")]
    return [(float(use["x"]), float(use["y"])) for use in found]


def line(name: str, stage: str, *points: tuple[float, float]) -> dict:
    measured = [{"test": {"nine": nine, "ndcg@10": ndcg}} for nine, ndcg in points]
    return {"name": name, "stage": stage, "points": [{"step": n, **p} for n, p in enumerate(measured)]}


def test_the_seesaw_has_a_line_per_stage_and_a_colour_per_name() -> None:
    first = line("seed 0", "stage 1", (0.40, 0.96), (0.50, 0.94))
    svg = seesaw(
        [first, line("seed 0", "stage 2", (0.50, 0.94), (0.50, 0.96)), line("b", "stage 2", (0.4, 0.9))]
    )
    assert {"stage 1, seed 0", "stage 2, seed 0", "stage 2, b", "mean of the nine, recall@1, %"} <= texts(svg)
    (x0, y0), (x1, y1), (x2, y2) = list(dict.fromkeys(markers(svg, "#3b6fb6")))[:3]
    assert (x1, y0) == pytest.approx((x2, y2))
    assert x0 < x1
    assert y0 < y1  # SVG counts from the top: 96 stands above 94
    assert seesaw([first]) == seesaw([first])


def test_quality_has_a_panel_per_mean_and_marks_doublings_evenly() -> None:
    def points(*values: tuple[int, float]) -> list[dict]:
        measure = [(size, {"value": value, "low": value - 1, "high": value + 1}) for size, value in values]
        return [{"bytes": size, "seven": found, "ten": found} for size, found in measure]

    methods = [
        {"name": "one", "points": points((1024, 44), (256, 40), (512, 42))},
        {"name": "BM25", "points": points((2800, 33))},
    ]
    svg = quality_bytes(methods)
    assert {"mean of the seven, %", "mean of the ten, %", "one", "BM25", "1,024"} <= texts(svg)
    first = markers(svg, "#3b6fb6")[:3]
    assert first[1][0] - first[0][0] == pytest.approx(first[2][0] - first[1][0], abs=1e-3)
    assert first[0][1] - first[1][1] == pytest.approx(first[1][1] - first[2][1], abs=1e-3)
