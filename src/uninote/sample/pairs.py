"""Cross-language pairs of the built-in sample: the same scene described in English and in Chinese."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from uninote.sample.canvas import Canvas
from uninote.sample.scenes import SCENES
from uninote.sample.story import Story, new_story
from uninote.sample.world import Lang, load_world

_SIZE = (96, 96)


def scene_pairs(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Return the English and the Chinese description of `count` scenes; no description occurs twice.

    Each scene is drawn twice from one story with the same random numbers, once in each language; what is
    drawn, and so what is described, does not depend on the language. The same arguments yield the same pairs.
    """
    world = load_world()
    pairs: list[tuple[str, str]] = []
    seen: set[str] = set()
    number = 0
    while len(pairs) < count:
        story = new_story(world, Random(f"scene-story-{seed}-{number}"))
        pair = _described(story, "en", seed, number), _described(story, "zh", seed, number)
        if seen.isdisjoint(pair):
            pairs.append(pair)
            seen.update(pair)
        number += 1
    return pairs


def _described(story: Story, lang: Lang, seed: int, number: int) -> str:
    rng = Random(f"scene-{seed}-{number}")
    return rng.choice(SCENES)(Canvas(_SIZE), replace(story, lang=lang), rng)
