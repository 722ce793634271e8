"""Training from Python: pairs from memory, several positives, callbacks, own annotators, reward switches."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.training.tiny_backbone import HashedReference, tiny_encoder
from tests.training.two_processes import tiny_notes
from transformers import TrainerCallback

import uninote.training
from uninote.annotate.run import annotate_notes
from uninote.corpus.skips import SkipReport
from uninote.encoder import Encoder
from uninote.errors import ItemError
from uninote.items import Item, Note, Picture
from uninote.settings import CorpusSettings, NegativeSettings, RlSettings, SftSettings
from uninote.tasks.definitions import Task
from uninote.tasks.pairs import make_pairs
from uninote.training import Labelled, examples_from, pairs_from, train_rl, train_sft

PAGE = Path(__file__).parents[2] / "docs" / "training.md"
ROWS = [
    Labelled("big dog", ["a large hound", "a huge hound"], negatives=["a small hound"]),
    Labelled("tiny cat", [Item.of("a little kitten")]),
    Labelled("old car", ["an ancient automobile", "a vintage vehicle"]),
    Labelled("fast train", ["a quick railway"]),
]


class Steps(TrainerCallback):  # type: ignore[misc]
    def __init__(self, stop: int) -> None:
        self.stop, self.seen, self.logs = stop, [0], list[dict[str, Any]]()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.seen.append(state.global_step)
        control.should_training_stop = state.global_step == self.stop

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        self.logs.append(logs)


def test_rows_become_pairs_and_examples() -> None:
    pairs = pairs_from(ROWS, Task.I2T)
    assert [pair.query.texts[0] for pair in pairs] == ["big dog"] * 2 + ["tiny cat"] + ["old car"] * 2 + [
        "fast train"
    ]
    assert {pair.task for pair in pairs} == {Task.I2T}
    examples, index = examples_from(ROWS, HashedReference(), NegativeSettings(per_query=2), seed=3)
    assert [example.pair.positive for example in examples] == [pair.positive for pair in pairs]
    for example in examples:
        own = [example.pair.query, example.pair.positive, *example.negatives]
        expected = index.scores([own[0]], own[1:])[0].tolist()
        assert [example.positive_score, *example.scores] == pytest.approx(expected)
        siblings = [e.pair.positive for e in examples if e.pair.query == own[0]]
        assert not set(siblings) & set(example.negatives)
    assert examples[0].negatives[0] == examples[1].negatives[0] == Item.of("a small hound")
    assert all(len(e.negatives) == 2 + ("dog" in e.pair.query.texts[0]) for e in examples)


@pytest.mark.parametrize(
    ("row", "message"),
    [(Labelled("q", []), "row 0 has no positive"), (Labelled(" ", ["a"]), "at least one picture or")],
)
def test_rows_that_cannot_be_learnt(row: Labelled, message: str) -> None:
    with pytest.raises(ItemError, match=message):
        pairs_from([row])


def test_several_positives_are_learnt_alike(tmp_path: Path) -> None:
    examples, index = examples_from(ROWS, HashedReference(), NegativeSettings(per_query=1))
    settings = SftSettings(
        steps=60, batch_size=6, positives_per_query=2, learning_rate=0.03, temperature=0.2, save_every=100
    )
    steps = Steps(stop=50)
    encoder = train_sft(tiny_encoder(), examples, index, settings, tmp_path, callbacks=[steps])
    assert steps.seen == list(range(51))
    assert any("loss" in logs for logs in steps.logs)
    (query,) = encoder.encode([Item.of("big dog")], task=Task.T2NOTE)
    large, huge, small = encoder.encode([Item.of(f"a {size} hound") for size in ("large", "huge", "small")])
    assert large @ query == pytest.approx(huge @ query, abs=0.1)
    assert min(large @ query, huge @ query) > small @ query + 0.3


class Namer:
    """An annotator of one's own: any object with a name and a call."""

    name = "namer-1"

    def __call__(self, images: Sequence[Image.Image]) -> list[str]:
        return [f"mostly {'dark' if np.asarray(image).mean() < 128 else 'light'}" for image in images]


def test_descriptions_of_ones_own_annotator_are_trained_on(
    fresh: Callable[[], Encoder], notes: list[Note], tmp_path: Path
) -> None:
    bare = [n.with_pictures(tuple(Picture.from_bytes(p.read(), ocr=()) for p in n.pictures)) for n in notes]
    report = SkipReport()
    annotated = annotate_notes(
        bare, Namer(), None, CorpusSettings(), tmp_path / "cache", workers=1, report=report, progress=False
    )
    pairs = make_pairs(annotated, Task.I2T)
    assert {pair.positive for pair in pairs} == {Item.of("mostly light")}
    rows = [Labelled(pair.query, [pair.positive]) for pair in pairs]
    examples, index = examples_from(rows, fresh(), task=Task.I2T)
    train_sft(fresh(), examples, index, SftSettings(steps=1, batch_size=4), tmp_path / "run")
    assert (tmp_path / "run" / "metrics.jsonl").read_text().count("loss") == 1


PARTS = {
    "penalty": {"penalty": 0.0},
    "base": {"base_factor": 0.0},
    "absolute": {"absolute": False},
    "relative": {"relative": False},
}


def rewards_of(folder: Path, **options: Any) -> tuple[dict[str, float], Steps]:
    settings = RlSettings.model_validate(
        {"steps": 1, "batch_size": 4, "group_size": 6, "noise": 3, "temperature": 0.1, **options}
    )
    steps = Steps(stop=1)
    train_rl(tiny_encoder(), tiny_notes(), settings, folder, callbacks=[steps])
    return json.loads((folder / "metrics.jsonl").read_text().splitlines()[0]), steps


@pytest.mark.slow
def test_each_part_of_the_reward_can_be_switched_off(tmp_path: Path) -> None:
    whole, steps = rewards_of(tmp_path / "all")
    assert steps.seen == [0, 1]
    assert all(whole[name] != 0 for name in PARTS)
    assert whole["reward"] == pytest.approx(sum(whole[name] for name in PARTS), rel=1e-5)
    for part, options in PARTS.items():
        without, _ = rewards_of(tmp_path / part, **options)
        assert without[part] == 0
        assert without["reward"] == pytest.approx(whole["reward"] - whole[part], rel=1e-4)


def test_the_python_of_the_page_on_training_runs(
    fresh: Callable[[], Encoder],
    shape_picture: Callable[[str, str, int], Picture],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hound.jpg").write_bytes(shape_picture("black", "circle", 0).read())
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    steps = Steps(stop=2)
    known = {"Picture": Picture, "Path": Path, "SftSettings": SftSettings, "MyCallback": lambda: steps}
    exec(compile(code, PAGE.name, "exec"), {**known, "encoder": fresh()})
    assert steps.seen == [0, 1, 2]


def test_names_load_at_first_use() -> None:
    assert all(getattr(uninote.training, name) is not None for name in uninote.training.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        uninote.training.nothing  # noqa: B018
    script = "import sys, uninote.training.rewards; print('transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
