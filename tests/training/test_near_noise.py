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


class Constant:
    """Encoder that gives all items one vector."""

    def encode(self, items: list[Item], task: Task | None = None) -> np.ndarray:
        return np.ones((len(items), 1), np.float32)


class Plain:
    """Backbone whose inputs are the items themselves."""

    uses_instructions = False

    def prepare(self, items: list[Item], instruction: str = "") -> dict[str, Any]:
        return {"items": items}


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
    near = [[Item.of(f"{name}{n}") for n in range(5)] for name in "xyz"]
    backbone: Any = Plain()
    collate = RlCollator(backbone, [], RlSettings(near=2), near=near)
    batch = [(0, half(0, "a")), (2, half(1, "b"))]
    texts = [item.texts[0] for item in collate(batch)["candidates"]["chunks"][0]["items"][2:]]
    assert [text[0] for text in texts] == ["x", "x", "z", "z"]
    again = collate(batch)["candidates"]["chunks"][0]["items"][2:]
    assert [item.texts[0] for item in again] == texts


def test_what_answers_by_content_is_no_noise() -> None:
    cat, again = Picture("p", description="a cat"), Picture("q", description="A cat.")
    noise = [
        Item.of("N", again),
        Item.of("N", Picture("r", description="a dog")),
        Item.of("TITLE", "One. Two."),
    ]
    caption = Halves(Item.of("a cat"), (Item.of("Own", cat), Item.of("Own")), Task.T2NOTE)
    split = Halves(Item.of("Title", Picture("s")), (Item.of("One. Two", Picture("t")),))
    encoder: Any = Constant()
    assert near_noise(encoder, [caption, split], noise) == [noise[1:], noise[:2]]
    backbone: Any = Plain()
    for half, kept in ((caption, [1, 2]), (split, [0, 1])):
        batch = RlCollator(backbone, noise, RlSettings(noise=3))([(0, half)])
        items = batch["candidates"]["chunks"][0]["items"]
        counted = [item for item, on in zip(items, batch["mask"][0], strict=True) if on]
        assert {item for item in counted if item in noise} == {noise[place] for place in kept}
