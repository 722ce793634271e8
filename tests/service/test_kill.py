"""SIGKILL of the service and its database during an ingest: nothing is lost, nothing matched twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.service.kill import run

pytestmark = pytest.mark.slow


def test_acknowledged_notes_survive_kills(tmp_path: Path) -> None:
    report = run(tmp_path, kills=6, seed=1)
    assert report.kills == {"service": 2, "database": 2, "backend": 2}
    assert report.stored >= report.acknowledged > 20
    assert report.faults == 0, report
