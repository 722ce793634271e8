"""Cross-language pairs: the same scene in both languages."""

from dataclasses import replace
from random import Random

import pytest

from uninote.sample.canvas import Canvas
from uninote.sample.pairs import scene_pairs
from uninote.sample.scenes import SCENES
from uninote.sample.story import new_story
from uninote.sample.world import load_world


def test_pairs_are_distinct_and_the_same_again() -> None:
    pairs = scene_pairs(40)
    assert len({text for pair in pairs for text in pair}) == 80
    assert all(english.isascii() and not chinese.isascii() for english, chinese in pairs)
    assert scene_pairs(12) == pairs[:12]
    assert scene_pairs(12, seed=1) != pairs[:12]


def test_both_descriptions_name_the_same_things_in_the_same_number() -> None:
    world = load_world()
    things = {thing for topic in world.topics for thing in topic.things}
    both = [(w.en.count(n), w.zh.count(n)) for w in things for n in range(1, 10)]
    for english, chinese in scene_pairs(40):
        named = [pair for pair in both if pair[0] in english]
        assert named
        # "two apples" may also be found in the name of another thing: at least one is what was drawn
        assert any(pair[1] in chinese for pair in named)


@pytest.mark.parametrize("layout", sorted(set(SCENES), key=lambda layout: layout.__name__))
def test_a_scene_does_not_depend_on_the_language(layout) -> None:
    story = new_story(load_world(), Random(5))
    drawn = []
    for lang in ("en", "zh"):
        canvas = Canvas((96, 96))
        layout(canvas, replace(story, lang=lang), Random(7))
        drawn.append(canvas.finish().tobytes())
    assert drawn[0] == drawn[1]
