from __future__ import annotations

import numpy as np
import pytest

from uninote.evaluation.baselines.report import report_baselines
from uninote.evaluation.headline import (
    best_in_row,
    changes,
    first_metric,
    headlines,
    mean_changes,
    mean_of_all,
    mean_recall,
    task_means,
)
from uninote.evaluation.table import summary_table


def stage(recall: float, precision: float, suite: str = "s") -> dict:
    tasks = {
        "I2T": {"recall@1": recall, "recall@1_interval": [recall - 0.1, recall + 0.1], "n_targets": 50},
        "T2I": {"recall@1": recall + 0.1, "n_targets": 60},
        "Note2Note": {"recall@1": 0.2, "precision@1": precision, "ndcg@10": 0.5, "n_targets": 80},
    }
    half = {task: {**entry, "recall@1": entry["recall@1"] / 2} for task, entry in tasks.items()}
    hits = round(100 * recall)
    means = {"seven": recall + 0.05, "nine": recall, "ten": (recall + precision) / 2}
    return {
        "means": {
            name: {"mean": mean, "mean_interval": [mean - 0.02, mean + 0.02]} for name, mean in means.items()
        },
        "suite": suite,
        "tasks": tasks,
        "dims": {"64": half, "256": tasks},
        "cost": {"bytes_per_note": 1024, "vectors_per_note": 1},
        "per_query": {
            "I2T": {"recall@1": [1] * hits + [0] * (100 - hits)},
            "Note2Note": {"recall@1": [0.2] * 10, "precision@1": [1] * 5 + [0] * 5},
        },
    }


def test_a_variant_is_summed_up_as_its_task() -> None:
    assert first_metric("I2Note strict") == first_metric("I2Note") == "recall@1"
    assert first_metric("OCR2I same reading") == "recall@1"
    assert first_metric("Note2Note") == first_metric("Links") == "precision@1"


def test_mean_leaves_note2note_out() -> None:
    assert mean_recall(stage(0.4, 0.9)["tasks"]) == pytest.approx(0.45)


def test_changes_are_paired_and_say_whether_they_are_real() -> None:
    found = changes(stage(0.3, 0.5), stage(0.6, 0.5), 200, 0)
    assert found["I2T"]["difference"] == pytest.approx(0.3)
    assert found["I2T"]["real"]
    low, high = found["I2T"]["interval"]
    assert 0.15 < low < 0.3 < high < 0.45
    assert found["Note2Note"] == {
        "metric": "precision@1",
        "difference": 0,
        "interval": [0, 0],
        "real": False,
    }


def test_means_are_over_tasks_by_their_first_metric() -> None:
    measured = {
        "I2T": {"recall@1": np.array([1.0, 0.0])},
        "T2Note": {"recall@1": np.array([1.0, 1.0, 1.0, 0.0])},
        "I2OCR": {"recall@1": np.array([0.0])},
        "Note2Note": {"recall@1": np.array([0.2]), "precision@1": np.array([1.0])},
        "T2Note twins": {"recall@1": np.array([0.0, 1.0]), "told apart": np.array([1.0, 1.0])},
        "I2Note twins": {"recall@1": np.array([0.0]), "told apart": np.array([0.0])},
        "Note2I near misses": {"recall@1": np.array([1.0, 0.0])},
        "Note2T whole corpus": {"recall@1": np.array([1.0, 1.0, 0.0, 0.0])},
        "Note2Note near misses": {"recall@1": np.array([0.0]), "precision@1": np.array([0.0])},
        "I2Note strict": {"recall@1": np.array([1.0])},
        "Links": {"recall@1": np.array([1.0]), "precision@1": np.array([1.0])},
    }
    means = task_means(measured, 50, 0)
    assert {name: (mean["mean"], mean["tasks"]) for name, mean in means.items()} == {
        "seven": (pytest.approx((1 / 2 + 3 / 4) / 2), 2),
        "nine": (pytest.approx((1 / 2 + 3 / 4) / 3), 3),
        "ten": (pytest.approx((1 / 2 + 3 / 4 + 1) / 4), 4),
        "five": (3 / 4, 1),
        "five, near misses": (1 / 2, 1),
        "five, whole corpus": (1 / 2, 1),
        "three, twins": (1 / 4, 2),
        "told apart": (1 / 2, 2),
    }
    for mean in means.values():
        low, high = mean["mean_interval"]
        assert low <= mean["mean"] <= high
    assert "mean_interval" not in task_means(measured, 0, 0)["ten"]
    assert list(task_means({"I2OCR": measured["I2OCR"]}, 0, 0)) == ["nine", "ten"]
    assert task_means({"Links": measured["Links"]}, 0, 0) == {}


def test_changes_of_means_are_paired_by_query() -> None:
    before, after = stage(0.3, 0.5), stage(0.6, 0.5)
    found = mean_changes(before, after, 200, 0)
    assert found["seven"]["difference"] == pytest.approx(0.3)
    assert found["ten"]["difference"] == pytest.approx(0.15)  # Note2Note is as before
    assert found["ten"]["interval"] == pytest.approx([bound / 2 for bound in found["seven"]["interval"]])
    assert found["ten"]["real"]
    with pytest.raises(ValueError, match="different suites"):
        mean_changes(before, stage(0.6, 0.5, "other"), 10, 0)


def test_changes_of_twins_told_apart_have_a_row_and_a_mean_of_their_own() -> None:
    before, after = stage(0.3, 0.5), stage(0.3, 0.5)
    for one, told in ((before, [0, 0, 1, 0]), (after, [1, 1, 1, 0])):
        one["per_query"]["I2Note twins"] = {"recall@1": [1, 0, 0, 0], "told apart": told}
    found = changes(before, after, 50, 0)
    assert found["I2Note twins"]["difference"] == 0
    assert found["I2Note twins, told apart"]["difference"] == 0.5
    assert mean_changes(before, after, 50, 0)["told apart"]["difference"] == 0.5


def test_stages_of_different_suites_are_not_compared() -> None:
    with pytest.raises(ValueError, match="different suites"):
        changes(stage(0.3, 0.5), stage(0.6, 0.5, "other"), 10, 0)


def test_headlines_come_from_the_last_stage() -> None:
    baselines = {"dual tower": {"cost": {"bytes_per_note": 9216, "vectors_per_note": 9.0}}}
    cards = headlines({"stages": {"base": stage(0.1, 0.2), "sft": stage(0.5, 0.9)}, "baselines": baselines})
    values = {card["label"]: card["value"] for card in cards}
    assert [card["label"] for card in cards[:3]] == ["Mean of seven", "Mean of nine", "Mean of ten"]
    assert values["Mean of seven"] == pytest.approx(55)
    assert values["Mean of ten"] == pytest.approx(70)
    assert values["Note2Note precision@1"] == pytest.approx(90)
    assert values["Note2Note nDCG@10"] == pytest.approx(50)
    assert values["Kept at 64 dimensions"] == pytest.approx(50)
    assert values["Storage a note"] == pytest.approx(100 / 9)
    assert cards[0]["detail"] == "recall@1, without I2OCR and OCR2I; 95 %: 53.0–57.0; base: 15.0"
    assert cards[2]["detail"].startswith("with the precision@1 of Note2Note; ")


def test_best_in_row_compares_rounded_values() -> None:
    entries = [{"r": 0.5001}, {"r": 0.5}, None, {"r": 0.2}, {"other": 1}]
    assert best_in_row(entries, "r") == {0, 1}
    assert best_in_row([{"r": 0.3}, {"r": 0.3}], "r") == set()
    assert best_in_row([None], "r") == set()


def test_terminal_table_has_a_row_per_task_and_a_column_per_method(capsys) -> None:
    from rich.console import Console

    blind = {"I2T": {"recall@1": 0, "note": "no text"}, "T2I": {"recall@1": 0.7}}
    report = {"stages": {"sft": stage(0.5, 0.9)}, "baselines": {"[b]BM": {"tasks": blind}}}
    parts = {"with text": {"recall@1": 0.75, "n_queries": 1234}}
    report["stages"]["sft"]["extra"] = {
        "I2Note strict": {"recall@1": 0.25, "parts": parts},
        "I2Note twins": {"recall@1": 0.125, "told apart": 0.875},
        "Note2Note near misses": {"recall@1": 0.125, "precision@1": 0.625},
    }
    report["stages"]["sft"]["means"]["told apart"] = {"mean": 0.875}
    Console(width=60).print(summary_table(report))
    stages, compared = (
        {line.split("  ")[0].strip(): line.split() for line in part.splitlines()}
        for part in capsys.readouterr().out.split("next to the baselines, %")
    )
    assert stages["task"] == ["task", "sft"]
    assert stages["I2T"] == ["I2T", "50.0", "±10.0"]
    assert stages["Note2Note"][1] == "90.0"
    assert stages["I2Note strict"][-1] == "25.0"
    assert stages["I2Note strict with text (1,234)"][-1] == "75.0"
    assert stages["I2Note twins"][-1] == "12.5"
    assert stages["I2Note twins, told apart"][-1] == "87.5"
    assert stages["Note2Note near misses"][-1] == "62.5"
    assert stages["mean of told apart"][-1] == "87.5"
    for name, mean in (("seven", "55.0"), ("nine", "50.0"), ("ten", "70.0")):
        assert stages[f"mean of {name}"][3:] == [mean, "±2.0"]
    assert compared["task"] == ["task", "sft", "[b]BM"]
    assert compared["I2T"] == ["I2T", "50.0", "–"]
    assert compared["T2I"] == ["T2I", "60.0", "70.0"]
    assert compared["mean of ten"][3:] == ["70.0", "–"]


def test_terminal_table_fits_a_terminal_with_all_baselines_of_the_report(capsys, hash_encoder, load) -> None:
    from rich.console import Console

    names = [*report_baselines(hash_encoder, 64, [], lambda: None, load)]
    method = {"tasks": {"I2T": {"recall@1": 0.5}}, "means": {"ten": {"mean": 0.123}}}
    report = {"stages": {"rl": method}, "baselines": dict.fromkeys(names, method)}
    Console(width=80).print(summary_table(report))
    means = [line.split() for line in capsys.readouterr().out.splitlines() if "mean of ten" in line]
    assert means == [["mean", "of", "ten", *["12.3"] * columns] for columns in (1, len(names) + 1)]


def test_the_mean_of_all_takes_the_precision_of_note2note() -> None:
    tasks = {"I2T": {"recall@1": 0.2}, "Note2Note": {"recall@1": 0.0, "precision@1": 0.6}}
    assert mean_of_all(tasks) == pytest.approx(0.4)
