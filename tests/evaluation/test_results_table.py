"""Results table: values, rows and intervals by hand; the table of README is the stored one."""

from __future__ import annotations

from pathlib import Path

import pytest

from uninote.errors import ConfigError
from uninote.evaluation.results_table import results_table, with_table
from uninote.evaluation.tables import read_table
from uninote.tasks.definitions import SINGLE_TARGET

ROOT = Path(__file__).parents[2]


def method(recall: float, size: float = 1536.0, **entries: dict) -> dict:
    tasks = {task.value: {"recall@1": recall} for task in SINGLE_TARGET}
    tasks["Note2Note"] = {"recall@1": 0.2, "precision@1": 0.9, "ndcg@10": 0.95}
    return {
        "tasks": tasks | entries.pop("tasks", {}),
        "extra": entries,
        "means": {name: {"mean": recall} for name in ("seven", "nine", "ten", "five")},
        "cost": {"bytes_per_note": size},
    }


def report(seed: int, base: float, last: dict, **baselines: dict) -> dict:
    stages = {"base": method(base), "rl": last}
    return {"stages": stages, "baselines": baselines, "dataset": {"seed": seed, "steps": {"sft": 5}}}


def cells(table, row: str) -> list[str]:
    (line,) = [line for line in table.markdown().splitlines() if line.startswith(f"| {row} |")]
    return [cell.strip() for cell in line.strip("|").split("|")[1:]]


def test_means_over_seeds_have_t_intervals() -> None:
    # t(0.975, 1) = 12.706, sd = 1.4142 points: 12.706 * 1.4142 / sqrt(2) = 12.7
    table = results_table([report(0, 0.2, method(0.40)), report(1, 0.2, method(0.42))])
    assert cells(table, "I2T") == ["20.0 ± 0.0", "41.0 ± 12.7"]
    assert cells(table, "**mean of the seven**") == ["20.0 ± 0.0", "41.0 ± 12.7"]
    assert table.seeds == (0, 1)
    assert table.columns == ("task", "untrained", "stage 2")


def test_one_seed_has_no_interval_and_rows_follow_the_report() -> None:
    last = method(
        0.4,
        **{"I2Note strict": {"recall@1": 0.3, "recall@1_interval": [0.2, 0.4], "apart": 0.8}},
        **{"I2OCR same reading": {"recall@1": 1.0}, "Links": {"precision@1": 0.1}},
    )
    blind = method(0.0, 30.4, tasks={"I2T": {"recall@1": 0.0, "note": "cannot"}})
    table = results_table([report(0, 0.2, last, BM25=blind)])
    titles = [str(row[0]) for row in table.rows]
    expected = ["I2T", "T2I", "I2Note", "T2Note", "Note2I", "Note2T", "OCR2Note", "**mean of the seven**"]
    expected += ["I2OCR", "OCR2I", "**mean of the nine**", "Note2Note P@1", "Note2Note nDCG@10"]
    expected += ["**mean of the ten**", "mean of five", "I2Note, strict", "I2Note, strict, apart"]
    assert titles == [*expected, "bytes a note"]
    assert cells(table, "I2Note, strict, apart") == ["–", "80.0", "–"]
    assert cells(table, "I2T") == ["20.0", "40.0", "–"]
    assert cells(table, "Note2Note nDCG@10") == ["95.0", "95.0", "95.0"]
    assert cells(table, "bytes a note") == ["1,536", "1,536", "30"]


def test_other_runs_add_a_column() -> None:
    table = results_table([report(0, 0.2, method(0.4))], {"multilingual": [report(0, 0.1, method(0.5))]})
    assert table.columns[-1] == "multilingual"
    assert cells(table, "T2I") == ["20.0", "40.0", "50.0"]


def test_the_first_table_of_the_block_is_replaced() -> None:
    block = "Text\n\n| b |\n|---|\n| 1 |\n\nMore | b\n"
    page = f"| a |\n|---|\n\n<!-- results:start -->\n{block}<!-- results:end -->\n"
    assert with_table(page, "| c |\n|---|") == page.replace("| b |\n|---|\n| 1 |\n", "| c |\n|---|\n")
    with pytest.raises(ConfigError, match="results:start"):
        with_table("| a |\n|---|\n", "| c |")


def test_the_readme_has_the_stored_table() -> None:
    stored = read_table(ROOT / "benchmarks" / "results" / "real-notes-table.json")
    readme = (ROOT / "README.md").read_text("utf-8")
    assert with_table(readme, stored.markdown()) == readme, "run benchmarks/real_notes.py with --readme"
