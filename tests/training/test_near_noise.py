"""Near noise against brute force, and how a batch draws it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from uninote.items import Item, Picture
from uninote.settings import RlSettings
from uninote.tasks.definitions import Task
from uninote.tasks.halves import Halves
from uninote.training import near_noise as module
from uninote.training.near_noise import near_noise
from uninote.training.rl_batches import RlCollator


class Angles:
    """Encoder of items whose text is an angle in degrees; queries of a task are turned by its number."""

    def encode(self, items: list[Item], task: Task | None = None) -> np.ndarray:
        turned = 0 if task is None else 10 * list(Task).index(task)
        angles = np.radians([float(item.texts[0]) + turned for item in items])
        return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def half(angle: int, name: str, task: Task = Task.NOTE2NOTE) -> Halves:
    shown = Picture(name)
    return Halves(Item((str(angle), shown)), (Item((str(angle), shown)),), task)


def test_the_nearest_of_every_task_without_shared_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NEAREST", 2)
    noise = [Item.of(str(angle)) for angle in range(0, 360, 40)] + [Item(("7", Picture("a")))]
    halves = [half(5, "a"), half(200, "b", Task.I2NOTE), half(121, "c")]
    encoder: Any = Angles()
    found = near_noise(encoder, halves, noise)
    gallery = encoder.encode(noise)
    for one, near in zip(halves, found, strict=True):
        query = encoder.encode([one.query], one.task)[0]
        allowed = [n for n, item in enumerate(noise) if not {p.digest for p in item.pictures} & {"a"}]
        allowed = allowed if one is halves[0] else list(range(len(noise)))
        best = sorted(allowed, key=lambda n: -float(gallery[n] @ query))[:2]
        assert near == [noise[n] for n in best]


def test_blocks_of_queries_and_related_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = [Item.of(str(angle)) for angle in range(0, 360, 3)]
    halves = [half(angle, str(angle)) for angle in (4, 77, 200, 301)]
    encoder: Any = Angles()
    whole = near_noise(encoder, halves, noise)
    monkeypatch.setattr(module, "AT_ONCE", 2 * len(noise))
    assert near_noise(encoder, halves, noise) == whole
    related = [
        replace(one, neutral=frozenset({near[0].key})) for one, near in zip(halves, whole, strict=True)
    ]
    for near, before in zip(near_noise(encoder, related, noise), whole, strict=True):
        assert near[:-1] == before[1:]


def test_a_batch_draws_near_noise_of_each_of_its_queries() -> None:
    class Recorder:
        uses_instructions = False

        def prepare(self, items: list[Item], instruction: str = "") -> dict[str, Any]:
            return {"items": items}

    near = [[Item.of(f"{name}{n}") for n in range(5)] for name in "xyz"]
    backbone: Any = Recorder()
    collate = RlCollator(backbone, [], RlSettings(near=2), near=near)
    batch = [(0, half(0, "a")), (2, half(1, "b"))]
    texts = [item.texts[0] for item in collate(batch)["candidates"]["chunks"][0]["items"][2:]]
    assert [text[0] for text in texts] == ["x", "x", "z", "z"]
    again = collate(batch)["candidates"]["chunks"][0]["items"][2:]
    assert [item.texts[0] for item in again] == texts
