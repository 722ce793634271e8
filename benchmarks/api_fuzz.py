"""Fuzz test of the HTTP API by its OpenAPI document: it finds server errors and broken contracts.

    python benchmarks/api_fuzz.py --examples 100                       # starts a service with a stub encoder
    python benchmarks/api_fuzz.py --url http://localhost:8080 --key un_...

It writes to the service's data: use a service that may be thrown away.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.service.http.fuzz import Report, fuzz  # noqa: E402
from tests.service.http.running import start  # noqa: E402

from uninote.environment import environment  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="of a running service; none: start one")
    parser.add_argument("--key", default="", help="an admin key of that service")
    parser.add_argument("--examples", type=int, default=50, help="good and bad requests of every operation")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.monotonic()
    if given.url:
        report = fuzz(_document(), given.url, given.key, given.examples, given.seed)
    else:
        report = _on_a_stub(given.examples, given.seed)
    requests = sum(report.statuses.values())
    result = {
        "name": "api-fuzz",
        "claim": "Generated requests, good and bad, make no 5xx and break no contract",
        "value": report.server_errors + len(report.failures),
        "goal": 0,
        "unit": f"failures in {requests} requests over {len(report.by_operation)} operations",
        "interval": None,
        "command": f"python benchmarks/api_fuzz.py --examples {given.examples} --seed {given.seed}",
        "environment": {
            **environment(),
            "seconds": round(time.monotonic() - started),
            "statuses": {str(status): count for status, count in sorted(report.statuses.items())},
        },
        "date": datetime.now(UTC).date().isoformat(),
    }
    (RESULTS / "api-fuzz.json").write_text(json.dumps(result, indent=2) + "\n")
    for failure in report.failures[:20]:
        print(failure)
    print(json.dumps(result, indent=2))
    sys.exit(1 if result["value"] else 0)


def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))
    return document


def _on_a_stub(examples: int, seed: int) -> Report:
    with tempfile.TemporaryDirectory(prefix="uninote-fuzz-") as folder:
        model = Path(folder) / "model"
        model.mkdir()
        (model / "uninote.json").write_text('{"version": "stub"}')
        stub = ROOT / "tests" / "service" / "http" / "stub_server.py"
        running = start([sys.executable, str(stub), folder, "", "{}"], Path(folder), Path(folder) / "log")
        try:
            return fuzz(_document(), running.url, running.admin, examples, seed)
        finally:
            try:
                running.stop()
            except subprocess.TimeoutExpired:
                running.process.kill()


if __name__ == "__main__":
    main()
