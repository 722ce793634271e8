"""Crash test of ingest: SIGKILL for the service or its database at random instants, then a count of notes.

    python benchmarks/kill_ingest.py --kills 200 --out work/kill

What is done and counted: `tests/service/kill.py`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from uninote.evaluation.results import write_result

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.service.kill import run

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop earlier after this long")
    parser.add_argument("--out", type=Path, help="folder of the database; a temporary one unless given")
    arguments = parser.parse_args()
    folder = arguments.out or Path(tempfile.mkdtemp(prefix="uninote-kill-"))
    try:
        report = run(folder, arguments.kills, arguments.seed, seconds=60 * arguments.minutes)
    finally:
        if arguments.out is None:
            shutil.rmtree(folder, ignore_errors=True)
    print(report)
    done = sum(report.kills.values())
    limit = "" if arguments.minutes == float("inf") else f" --minutes {arguments.minutes:g}"
    write_result(
        RESULTS,
        "ingest-kill",
        f"Notes lost, doubled or unequal to the index after {done} SIGKILLs of the service or its database "
        f"({report.acknowledged} acknowledged)",
        report.faults,
        goal=0,
        unit="notes",
        interval=None,
        command=f"python benchmarks/kill_ingest.py --kills {arguments.kills} --seed {arguments.seed}{limit}",
    )
    sys.exit(1 if report.faults else 0)


if __name__ == "__main__":
    main()
