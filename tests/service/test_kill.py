"""SIGKILL of the service and its database during an ingest: nothing is lost, nothing matched twice."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

DRIVER = Path(__file__).parents[2] / "benchmarks" / "kill_ingest.py"


def test_acknowledged_notes_survive_kills(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("kill_ingest", DRIVER)
    assert spec
    assert spec.loader
    driver = importlib.util.module_from_spec(spec)
    sys.modules["kill_ingest"] = driver  # dataclasses look their module up
    spec.loader.exec_module(driver)
    report = driver.run(tmp_path, kills=6, seed=1)
    assert report.kills == {"service": 2, "database": 2, "backend": 2}
    assert report.stored >= report.acknowledged > 20
    assert report.faults == 0, report
