import json
from pathlib import Path

from uninote.corpus.skips import Skip, SkipReport


def test_report_keeps_order_counts_kinds_and_writes_json_lines(tmp_path: Path) -> None:
    report = SkipReport()
    report.add("a", "bad picture: x.png is empty", "notes.jsonl:1")
    report.add("b", "empty note: 没有")
    report.extend([Skip("c", "bad picture: y.png: truncated")])
    assert len(report) == 3
    assert [skip.note_id for skip in report] == ["a", "b", "c"]
    assert report.counts() == {"bad picture": 2, "empty note": 1}
    report.write(tmp_path / "skips.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "skips.jsonl").read_text("utf-8").splitlines()]
    assert rows[0] == {
        "note_id": "a",
        "reason": "bad picture: x.png is empty",
        "where": "notes.jsonl:1",
    }
    assert rows[1]["reason"] == "empty note: 没有"
    assert len(rows) == 3
