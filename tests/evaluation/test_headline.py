from __future__ import annotations

import pytest

from uninote.evaluation.headline import best_in_row, changes, headlines, mean_of_all, mean_recall
from uninote.evaluation.table import summary_table


def stage(recall: float, precision: float, suite: str = "s") -> dict:
    tasks = {
        "I2T": {"recall@1": recall, "recall@1_interval": [recall - 0.1, recall + 0.1], "n_targets": 50},
        "T2I": {"recall@1": recall + 0.1, "n_targets": 60},
        "Note2Note": {"recall@1": 0.2, "precision@1": precision, "ndcg@10": 0.5, "n_targets": 80},
    }
    half = {task: {**entry, "recall@1": entry["recall@1"] / 2} for task, entry in tasks.items()}
    hits = round(100 * recall)
    return {
        "suite": suite,
        "tasks": tasks,
        "dims": {"64": half, "256": tasks},
        "cost": {"bytes_per_note": 1024, "vectors_per_note": 1},
        "per_query": {
            "I2T": {"recall@1": [1] * hits + [0] * (100 - hits)},
            "Note2Note": {"recall@1": [0.2] * 10, "precision@1": [1] * 5 + [0] * 5},
        },
    }


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


def test_stages_of_different_suites_are_not_compared() -> None:
    with pytest.raises(ValueError, match="different suites"):
        changes(stage(0.3, 0.5), stage(0.6, 0.5, "other"), 10, 0)


def test_headlines_come_from_the_last_stage() -> None:
    baselines = {"dual tower": {"cost": {"bytes_per_note": 9216, "vectors_per_note": 9.0}}}
    cards = headlines({"stages": {"base": stage(0.1, 0.2), "sft": stage(0.5, 0.9)}, "baselines": baselines})
    values = {card["label"]: card["value"] for card in cards}
    assert values["Mean recall@1"] == pytest.approx(55)
    assert values["Note2Note precision@1"] == pytest.approx(90)
    assert values["Note2Note nDCG@10"] == pytest.approx(50)
    assert values["Kept at 64 dimensions"] == pytest.approx(50)
    assert values["Storage a note"] == pytest.approx(100 / 9)
    assert "50 to 60" in cards[0]["detail"]
    assert "base: 15.0" in cards[0]["detail"]


def test_best_in_row_compares_rounded_values() -> None:
    entries = [{"r": 0.5001}, {"r": 0.5}, None, {"r": 0.2}, {"other": 1}]
    assert best_in_row(entries, "r") == {0, 1}
    assert best_in_row([{"r": 0.3}, {"r": 0.3}], "r") == set()
    assert best_in_row([None], "r") == set()


def test_terminal_table_has_a_row_per_task_and_a_column_per_method(capsys) -> None:
    from rich.console import Console

    blind = {"I2T": {"recall@1": 0, "note": "no text"}, "T2I": {"recall@1": 0.7}}
    report = {"stages": {"sft": stage(0.5, 0.9)}, "baselines": {"[b]BM25": {"tasks": blind}}}
    table = summary_table(report)
    Console(width=100).print(table)
    lines = {line.split()[1]: line for line in capsys.readouterr().out.splitlines() if "│" in line}
    assert "50.0 ±10.0" in lines["I2T"]
    assert "–" in lines["I2T"]
    assert "70.0" in lines["T2I"]
    assert "90.0" in lines["Note2Note"]
    assert "55.0" in lines["mean"]
    assert [str(column.header) for column in table.columns] == ["task", "sft", "[b]BM25"]


def test_the_mean_of_all_takes_the_precision_of_note2note() -> None:
    tasks = {"I2T": {"recall@1": 0.2}, "Note2Note": {"recall@1": 0.0, "precision@1": 0.6}}
    assert mean_of_all(tasks) == pytest.approx(0.4)
