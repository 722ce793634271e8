"""Benchmark of a GPU on the tiny shape: every stretch measured, and what is printed is in the report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def report(script):
    return script("gpu_report")


def test_a_stretch_that_fails_keeps_what_it_measured_and_the_rest_goes_on(report, tmp_path):
    written = report.Report(tmp_path / "gpu.json", {"command": "x"}, minutes=1)

    def breaks(row):
        row |= {"tokens_per_s": 8.0}
        raise RuntimeError("CUDA out of memory in /home/user/model.py\nmore lines")

    written.stretch("tiny", "encode", breaks)
    written.stretch("tiny", "stage 1", lambda row: row.update(mfu=0.5, tokens_per_s=9.0))
    written.stretch("tiny", "encode", lambda row: row.update(tokens_per_s=2.0), "peer")
    written.stretch("tiny", "stage 2", print, reserve=120)  # its time is kept for others
    found = json.loads((tmp_path / "gpu.json").read_text())["shapes"]["tiny"]
    assert found["encode"]["failed"] == "RuntimeError: CUDA out of memory in …"
    assert found["encode"]["tokens_per_s"] == 8.0
    assert found["encode"]["over_peer"] == 4.0
    assert found["stage 1"]["mfu"] == 0.5
    assert found["stage 2"]["failed"] == "OutOfTimeError: no time left"
    shown = report.table(written.content)
    assert "| tiny | encode | RuntimeError: CUDA out of memory in … |" in shown
    assert "| tiny | stage 1 | 9.0 | – | 0.5 | – | – | – |" in shown


def test_a_stretch_ends_when_its_time_is_over(report):
    def work():
        while True:
            pass

    with pytest.raises(report.OutOfTimeError), report.time_limit(0.01):
        work()


@pytest.mark.slow
def test_the_tiny_shape_is_measured_from_end_to_end(tmp_path):
    command = [sys.executable, "benchmarks/gpu.py", "--shapes", "tiny", "--count", "6", "--steps", "1"]
    run = subprocess.run(
        [*command, "--batch", "2", "--results", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    report = json.loads((tmp_path / "gpu-tiny.json").read_text())
    assert list(report["shapes"]["tiny"]) == ["encode", "stage 1", "stage 2"]
    for row in report["shapes"]["tiny"].values():
        assert "failed" not in row, row
        assert row["tokens_per_s"] > 0
        assert row["mfu"] > 0
        assert 0 <= row["waits_for_input"] <= 1
        assert row["profile"]["classes"]["matrix products"] > 0
        assert "failed" not in row.get("peer", {}), row
        assert str(row["tokens_per_s"]) in run.stdout
