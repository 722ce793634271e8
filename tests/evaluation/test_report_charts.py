from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from uninote.evaluation.report_charts import (
    cost_scatter,
    matryoshka_curves,
    recall_bars,
    stage_path,
    training_curves,
)

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def stages() -> dict:
    tasks = {"I2T": {"recall@1": 0.4, "recall@1_interval": [0.3, 0.5]}, "Note2Note": {"recall@1": 0.2}}
    stage = {"tasks": tasks, "dims": {"64": tasks, "256": tasks}}
    return {"base": stage, "a < b & c": stage}


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_charts_scale_use_the_colours_of_the_page_and_load_nothing(stages) -> None:
    baselines = {"BM25": {"tasks": {"I2T": {"recall@1": 0.1}}, "cost": {"bytes_per_note": 3000}}}
    charts = [recall_bars(stages), matryoshka_curves(stages), cost_scatter(stages, baselines)]
    for svg in charts:
        root = ET.fromstring(svg)
        assert root.tag == f"{SVG}svg"
        assert "viewBox" in root.attrib
        assert not {"width", "height"} & root.attrib.keys()
        assert "var(--ink)" in svg
        assert "var(--series-" in svg
        assert not any(colour in svg for colour in ("#01", "#02", "#03", "#04"))
        assert "http" not in svg.replace("http://www.w3.org/", "")
    assert {"I2T", "Note2Note", "base", "a < b & c"} <= set(texts(charts[0]))
    assert {"64", "256"} <= set(texts(charts[1]))
    assert "BM25" in texts(charts[2])


def test_bars_are_as_high_as_their_recall() -> None:
    entries = {"I2T": {"recall@1": 0.4}, "T2I": {"recall@1": 0.1}, "I2OCR": {"recall@1": 0.8}}
    bars = [
        [float(y) for y in re.findall(r"[ML] \S+ (\S+)", path.attrib["d"])]
        for path in ET.fromstring(recall_bars({"base": {"tasks": entries}})).iter(f"{SVG}path")
        if "fill: var(--series-0)" in path.attrib.get("style", "") and "clip-path" in path.attrib
    ]
    heights = [max(bar) - min(bar) for bar in bars]
    assert np.array(heights) / heights[0] == pytest.approx([1, 0.25, 2], rel=1e-3)


def test_the_path_of_stages_has_a_point_per_stage_and_needs_two() -> None:
    def stage(nine: float, ndcg: float) -> dict:
        order = {"ndcg@5": 0.0, "ndcg@10": ndcg, "ndcg@10_interval": [ndcg - 0.01, ndcg + 0.01]}
        mean = {"mean": nine, "mean_interval": [nine - 0.02, nine + 0.02]}
        return {"means": {"nine": mean}, "tasks": {"Note2Note": order}}

    svg = stage_path({"sft": stage(0.50, 0.94), "rl": stage(0.49, 0.96), "other": {"tasks": {}}})
    assert {"sft", "rl", "Note2Note nDCG@10, %"} <= set(texts(svg))
    assert "other" not in texts(svg)
    points = {
        colour: (float(use.attrib["x"]), float(use.attrib["y"]))
        for use in reversed(list(ET.fromstring(svg).iter(f"{SVG}use")))
        for colour in re.findall(r"fill: var\(--series-(\d)\)", use.attrib.get("style", ""))
    }
    assert points["1"][0] < points["0"][0]
    assert points["1"][1] < points["0"][1]  # SVG counts from the top
    assert stage_path({"sft": stage(0.5, 0.9)}) == ""


def test_charts_are_repeatable(stages) -> None:
    assert recall_bars(stages) == recall_bars(stages)


def test_training_curves_show_losses_first_and_only_what_repeats() -> None:
    records = [
        {
            "step": step,
            "grad_norm": 1.0,
            "loss": 2.0 / (step + 1),
            "lr": float("nan"),
            "note": "x",
            "ok": True,
        }
        for step in range(5)
    ]
    svg = training_curves([*records, {"step": 5, "runtime": 3.0}, {"loss": 1.0}])
    shown = [text for text in texts(svg) if text in ("loss", "grad norm", "lr", "note", "ok", "runtime")]
    assert shown == ["loss", "grad norm"]
    assert training_curves([{"step": 1, "loss": 1.0}]) == ""
