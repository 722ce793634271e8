from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from uninote.cli import app
from uninote.errors import ConfigError
from uninote.evaluation.tables import Table, write_table

runner = CliRunner()


def test_list_names_the_built_in_experiments():
    listed = json.loads(runner.invoke(app, ["bench", "list", "--json"]).stdout)
    assert listed["warm-up"]["variants"] == ["without", "with", "warm-up alone", "untrained"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--split", "train"], "--split is test or validation"),
        (["--seeds", "0,x"], "--seeds takes numbers"),
        (["nope"], "no experiment nope"),
    ],
)
def test_what_cannot_be_run_is_told_before_anything_is_read(options, told, tmp_path):
    done = runner.invoke(app, ["bench", "run", "--notes", str(tmp_path / "none.jsonl"), *options])
    assert isinstance(done.exception, ConfigError)
    assert told in str(done.exception)


def test_page_from_a_folder_of_results(tmp_path):
    table = Table(title="t", columns=("variant", "mean"), rows=(("a", 1.0), ("b", 2.0)))
    write_table(tmp_path / "negatives.json", table)
    words = ["bench", "page", "--results", str(tmp_path), "--out", str(tmp_path / "r.md"), "--json"]
    assert json.loads(runner.invoke(app, words).stdout)["tables"] == 1
    assert "| b | 2.0 |" in (tmp_path / "r.md").read_text()
