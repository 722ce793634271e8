"""The whole pipeline in real processes: run, killed in each training stage, run again."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.in_process import uninote
from tests.service.http.running import start
from tests.training.tiny_backbone import TINY as TINY_BACKBONE

from uninote.backbones import BACKBONES
from uninote.encoder.towers.e5_file import packaged_file
from uninote.evaluation.headline import MEANS
from uninote.evaluation.variants import Variant
from uninote.pipeline.demo import run_demo
from uninote.settings import load_settings
from uninote.tasks.definitions import Task

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]  # several whole runs, on a machine that may be busy
TINY = ["sft.steps=6", "sft.batch_size=8", "sft.save_every=2"]
TINY += ["rl.steps=4", "rl.batch_size=4", "rl.save_every=2", "rl.noise=2", "evaluation.bootstrap=50"]
ENTRY = [sys.executable, "-c", "from uninote.cli import main; main()"]


def command(*words: str) -> list[str]:
    return [*ENTRY, *words]


def demo(sample: Path, out: Path) -> list[str]:
    options = [word for option in TINY for word in ("--set", option)]
    return command("demo", "--notes", str(sample), "--out", str(out), *options)


def numbers(out: Path) -> dict[str, Any]:
    """Return every measured number of the report, without those that depend on the clock."""
    report = json.loads((out / "report.json").read_text())
    stages = {
        name: {key: stage[key] for key in ("tasks", "dims", "extra", "per_query")}
        for name, stage in report["stages"].items()
    }
    return {"stages": stages, "baselines": {n: b["tasks"] for n, b in report["baselines"].items()}}


@pytest.fixture(scope="module")
def finished(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "out"
    done = subprocess.run(demo(sample, out), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "search" in done.stdout
    (out / "stdout").write_text(done.stdout)
    (out / "stderr").write_text(done.stderr)
    return out


def test_a_log_has_a_line_a_step_and_no_blank_lines(finished: Path) -> None:
    told, steps = (finished / "stdout").read_text(), (finished / "stderr").read_text()
    for line in (told + steps).splitlines():
        assert line.strip()
        assert line.isprintable()
    for step in ("pictures", "text elements", "warm-up", "training, loss", "embedding, shards", "indexing"):
        assert f"\n{step}" in f"\n{steps}"


def test_the_report_keeps_its_contract(finished: Path) -> None:
    report = json.loads((finished / "report.json").read_text())
    assert set(report) >= {"dataset", "stages", "baselines", "timing_s", "environment"}
    assert list(report["stages"]) == ["base", "warmup", "sft", "rl"]
    for stage in report["stages"].values():
        assert list(stage["tasks"]) == list(Task)
        assert set(stage["dims"]) == {"64", "128", "256", "384"}
        for entry in stage["tasks"].values():
            assert 0 <= entry["recall@1"] <= entry["recall@5"] <= entry["recall@10"] <= 1
            assert entry["n_queries"] > 0
        assert {"precision@1", "precision@10", "ndcg@10"} <= set(stage["tasks"]["Note2Note"])
    towers = [f"dual tower, {name}" for name in ("best pair", "mean of best", "tuned", "equal bytes")]
    assert list(report["baselines"]) == ["BM25", *towers, "perceptual hash"]
    copies = report["dataset"]["edited_copies"]
    assert copies["reader"].startswith("rapidocr")
    assert 0 < copies["with_text"] <= copies["pictures"]
    for method in [*report["stages"].values(), *report["baselines"].values()]:
        means = set(MEANS) - ({f"five, {Variant.NEAR}"} if packaged_file() is None else set())
        assert set(method["means"]) == means
        assert {"I2Note strict", "Note2I strict", "I2OCR same reading"} <= set(method["extra"])
        assert {"I2Note twins", "Note2Note whole corpus"} <= set(method["extra"])
    assert report["dataset"]["distractor_notes"] == sum(
        report["dataset"]["splits"][name] for name in ("train", "validation")
    )
    hashes = report["baselines"]["perceptual hash"]
    assert hashes["cost"]["bytes_per_note"] == 8 * hashes["cost"]["vectors_per_note"] > 0
    assert "note" in hashes["tasks"]["T2I"]  # reads no text
    assert "note" not in hashes["tasks"]["I2Note"]
    assert "<html" in (finished / "report.html").read_text()


def test_stages_really_differ(finished: Path) -> None:
    versions = {
        json.loads(path.read_text())["version"] for path in finished.glob("state/*/model-*/uninote.json")
    }
    assert len(versions) == 4


def test_killed_in_each_stage_and_run_again_ends_with_the_same_numbers(
    finished: Path, sample: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    # Features and what comes before stage 1 are there already: training is what is killed.
    later = shutil.ignore_patterns("*-sft*", "*-rl*", "index*", "embeddings")
    shutil.copytree(finished / "state", out / "state", ignore=later)
    os.symlink(finished / "cache", out / "cache")
    for stage in ("sft", "rl"):
        run_and_kill(demo(sample, out), out, f"state/*/model-{stage}*/run/checkpoint-2/trainer_state.json")
        assert not (out / "report.json").exists()
    again = subprocess.run(demo(sample, out), capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert numbers(out) == numbers(finished)


def run_and_kill(words: list[str], out: Path, moment: str) -> None:
    """Start a run and kill it, as `kill -9` does, when a file that matches `moment` appears in `out`."""
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        deadline = time.monotonic() + 240
        while not list(out.glob(moment)):
            assert running.poll() is None, "the run ended before it was killed"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        running.send_signal(signal.SIGKILL)


def test_search_by_text_picture_and_note(finished: Path, sample: Path) -> None:
    index = str(finished / "index")
    first = json.loads(sample.read_text().splitlines()[0])
    picture = str(sample.parent / first["images"][0]["path"])

    def search(*words: str) -> list[dict[str, Any]]:
        done = uninote("search", "--index", index, "--json", *words)
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    found = search("--note", str(sample), "-k", "2", "--why", str(sample))
    assert found[0]["id"] == first["id"]
    why = found[0]["why"]
    assert why["score"] == pytest.approx(found[0]["score"], abs=2e-3)
    assert [one["text"] for one in why["query"]] == [one["text"] for one in why["target"]]
    assert sum(one["kind"] == "picture" for one in why["target"]) == len(first["images"])
    by_picture = search("--picture", picture, "--kind", "image", "-k", "3")
    assert by_picture[0]["note"] == first["id"]
    assert by_picture[0]["score"] == pytest.approx(1, abs=1e-3)
    assert len(search("--text", first["title"], "-k", "5")) == 5


def test_serving_its_index_takes_one_command_and_no_encoding(finished: Path, sample: Path) -> None:
    index = finished / "index"
    running = start(command("serve", "--index", str(index), "--port", "0"), index, finished / "serve.log")
    try:
        (stored,) = [line for line in running.logs() if line["event"] == "notes stored"]
        notes = len(sample.read_text().splitlines())
        assert stored["created"] == stored["reused"] == notes
        with running.client() as client:
            title = json.loads(sample.read_text().splitlines()[0])["title"]
            answer = client.post("/v1/search", json={"query": {"text": title}, "k": 3}).raise_for_status()
            first = answer.json()["hits"][0]
            assert client.get(f"/v1/pictures/{first['pictures'][0]}").status_code == 200
        assert running.stop() == 0
    finally:
        running.process.kill()


def test_a_backbone_without_a_warm_up_goes_from_its_base_to_stage_1(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKBONES, "tiny", TINY_BACKBONE)
    short = {"steps": 2, "batch_size": 4}
    settings = load_settings(
        None,
        encoder={"backbone": "tiny", "device": "cpu"},
        annotate={"ocr": "none"},
        sft=short,
        rl=short | {"noise": 2},
        evaluation={"bootstrap": 0},
        store={"address": "memory"},
    )
    printed = io.StringIO()
    report = run_demo(sample, tmp_path, settings, Console(file=printed), progress=False)
    assert "no warm-up" in printed.getvalue()
    assert list(report["stages"]) == ["base", "sft", "rl"]
    # The tower of near misses is there, no tower of the compact backbone.
    assert not list((tmp_path / "cache").glob("features/*minilm*"))


def test_a_log_next_to_the_notes_is_trained_on_and_measured(
    finished: Path, sample: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(sample.parent, tmp_path / "notes"))
    ids = [json.loads(line)["id"] for line in (folder / "notes.jsonl").read_text("utf-8").splitlines()]
    clicks = [  # each user reads every third note, some earlier and some later
        (user, note, 10 * user + (7 * place) % 90)
        for user in range(12)
        for place, note in enumerate(ids)
        if place % 3 == user % 3
    ]
    rows = ["user,item,time", *(f"u{user},{note},{time}" for user, note, time in clicks), "u0,nobody,1"]
    (folder / "relations.csv").write_text("\n".join(rows))
    options = ["encoder.read=given", "annotate.ocr=existing", "relations.only_new=false", "rl.relations=1"]
    shutil.copytree(finished / "cache", tmp_path / "out" / "cache")
    words = demo(folder / "notes.jsonl", tmp_path / "out")[len(ENTRY) :]
    done = uninote(*words, *(word for option in options for word in ("--set", option)))
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"relations: [1-9]\d* pairs of training notes to train on, [1-9]\d* pairs of", done.stdout
    )
    assert "unknown item" in (tmp_path / "out" / "skipped.jsonl").read_text()
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    methods = [*report["stages"].values(), *report["baselines"].values()]
    assert all("Relations" in method["extra"] for method in methods)
    [state] = (tmp_path / "out" / "state").iterdir()
    records = {file.parent.name.partition("-rl")[0] for file in state.glob("model-*/relations.json")}
    assert records == {"model-sft", "model"}  # and the merged model of stage 2
