"""Scenes, the pictures without text of the built-in sample: portraits, rows, grids, tables, landscapes.

Every layout draws on the canvas and returns the description of exactly what it drew.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from uninote.sample.canvas import Canvas, shade
from uninote.sample.story import Story
from uninote.sample.world import Backdrop, Lang, Tint, load_world

Layout = Callable[[Canvas, Story, Random], str]


def listed(names: list[str], lang: Lang) -> str:
    """Join names as "a, b and c" or "a、b和c"."""
    head, gap, link = names[:-1], (", " if lang == "en" else "、"), (" and " if lang == "en" else "和")
    return f"{gap.join(head)}{link}{names[-1]}" if head else names[-1]


def backdrop(canvas: Canvas, story: Story, rng: Random) -> str:
    """Cover the canvas; return "a pink background with white dots" or its Chinese."""
    tint, pattern = rng.choice(story.tints), rng.choice(load_world().patterns)
    canvas.pattern(pattern.key, tint.hex, rng)
    return _background_name(tint, pattern, story.lang)


def _background_name(tint: Tint, pattern: Backdrop, lang: Lang) -> str:
    if lang == "zh":
        return f"{pattern.zh + '的' if pattern.zh else ''}{tint.zh}色背景"
    article = "an" if tint.en[0] in "aeiou" else "a"
    return f"{article} {tint.en} background {pattern.en}".strip()


def portrait(canvas: Canvas, story: Story, rng: Random) -> str:
    behind = backdrop(canvas, story, rng)
    thing = story.pick(rng, 1)[0]
    angle = rng.choice((0, 0, rng.uniform(18, 40), rng.uniform(-40, -18)))
    short = min(canvas.width, canvas.height)
    x, y = canvas.width / 2 + rng.uniform(-20, 20), canvas.height / 2 + rng.uniform(-12, 12)
    canvas.dot(x, y, short * 0.4, "#ffffff80")
    canvas.stamp(thing.emoji, x, y, short * rng.uniform(0.55, 0.72), angle=angle)
    name = story.word(thing).one
    if story.lang == "zh":
        tilt = "" if not angle else "向左倾斜的" if angle > 0 else "向右倾斜的"
        return f"{behind}上，白色圆圈里有{tilt}{name}"
    tilt = "" if not angle else " tilted to the left" if angle > 0 else " tilted to the right"
    return f"{name}{tilt} in a white circle on {behind}"


def row(canvas: Canvas, story: Story, rng: Random) -> str:
    behind = backdrop(canvas, story, rng)
    things, number = story.pick(rng, rng.choice((1, 2))), rng.randint(3, 5)
    step, high = canvas.width / number, canvas.height / len(things)
    size = min(step * 0.88, high * 0.72)
    for line, thing in enumerate(things):
        for index in range(number):
            x, y = (index + 0.5) * step, (line + 0.5) * high + rng.uniform(-10, 10)
            canvas.stamp(thing.emoji, x, y, size, angle=rng.uniform(-12, 12), shadow=True)
    names = [story.word(thing).count(number) for thing in things]
    if story.lang == "zh":
        return f"{behind}上" + "，".join(f"排成一行的{name}" for name in names)
    return " above ".join(f"{name} in a row" for name in names) + f" on {behind}"


def grid(canvas: Canvas, story: Story, rng: Random) -> str:
    columns, rows = rng.choice(((2, 2), (3, 2), (2, 3)))
    things = list(dict.fromkeys(story.pick(rng, 5)))[:4]
    cells = things + rng.sample(things, columns * rows - len(things)) if columns * rows > 4 else things
    rng.shuffle(cells)
    wide, high = canvas.width / columns, canvas.height / rows
    for index, thing in enumerate(cells):
        left, top = index % columns * wide, index // columns * high
        canvas.box((left, top, left + wide, top + high), story.tints[index % 4].hex)
        canvas.stamp(thing.emoji, left + wide / 2, top + high / 2, min(wide, high) * 0.74)
    colours = listed([tint.name(story.lang) for tint in story.tints], story.lang)
    counted = [story.word(thing).count(cells.count(thing)) for thing in dict.fromkeys(cells)]
    names = listed(counted, story.lang)
    if story.lang == "zh":
        return f"{rows}行{columns}列的彩色格子（{colours}），里面有{names}"
    return f"a {columns} by {rows} grid of {colours} tiles with {names}"


def table(canvas: Canvas, story: Story, rng: Random) -> str:
    wall, cloth = rng.sample(story.tints, 2)
    edge = canvas.height * rng.uniform(0.58, 0.66)
    canvas.gradient(shade(wall.hex, 1.06), shade(wall.hex, 0.88))
    canvas.box((0, edge, canvas.width, canvas.height), cloth.hex)
    canvas.box((0, edge, canvas.width, edge + 7), shade(cloth.hex, 0.8))
    things = story.pick(rng, 2)
    number = rng.randint(1, 3)
    slots = [things[0]] * number + [things[1]]
    if rng.random() < 0.5:
        slots.reverse()
    step = canvas.width / len(slots)
    size = min(step * 0.85, canvas.height * 0.5)
    for index, thing in enumerate(slots):
        foot = edge + canvas.height * rng.uniform(0.1, 0.2)
        canvas.stand(thing.emoji, (index + 0.5) * step, foot, size * rng.uniform(0.86, 1.0))
    first, second = story.word(things[0]).count(number), story.word(things[1]).one
    if story.lang == "zh":
        return f"{wall.zh}色墙前，{cloth.zh}色的桌上，{first}摆在{second}旁边"
    return f"{first} beside {second} on a table with {cloth.en} cloth, {wall.en} wall behind"


def landscape(canvas: Canvas, story: Story, rng: Random) -> str:
    ground, mood = rng.choice(load_world().grounds), story.mood
    horizon = rng.uniform(0.55, 0.68)
    canvas.sky(mood.top, mood.bottom, mood.light, rng, horizon)
    edge = canvas.height * horizon
    canvas.box((0, edge, canvas.width, canvas.height), ground.key)
    for _ in range(26):
        x, y = rng.uniform(0, canvas.width), rng.uniform(edge + 6, canvas.height)
        canvas.line([(x, y), (x + rng.uniform(6, 16), y)], shade(ground.key, 0.9))
    things = story.pick(rng, rng.randint(1, 3))
    step = canvas.width / len(things)
    size = min(step * 0.88, canvas.height * 0.62)
    for index, thing in enumerate(things):
        foot = edge + (canvas.height - edge) * rng.uniform(0.3, 0.8)
        x = (index + 0.5) * step + rng.uniform(-0.08, 0.08) * step
        canvas.stand(thing.emoji, x, foot, size * rng.uniform(0.8, 1.0))
    names = listed([story.word(thing).one for thing in things], story.lang)
    if story.lang == "zh":
        return f"{mood.sky['zh']}下，{ground.zh}上有{names}"
    return f"{names} on {ground.en} under {mood.sky['en']}"


def ring(canvas: Canvas, story: Story, rng: Random) -> str:
    behind = backdrop(canvas, story, rng)
    centre, around = story.pick(rng, 2)
    number, short = rng.randint(5, 8), min(canvas.width, canvas.height)
    x, y, start = canvas.width / 2, canvas.height / 2, rng.uniform(0, math.tau)
    for index in range(number):
        angle = start + math.tau * index / number
        canvas.stamp(
            around.emoji,
            x + short * 0.36 * math.cos(angle),
            y + short * 0.36 * math.sin(angle),
            short * 0.22,
            angle=rng.uniform(-25, 25),
        )
    canvas.stamp(centre.emoji, x, y, short * 0.38)
    outer, inner = story.word(around).count(number), story.word(centre).one
    if story.lang == "zh":
        return f"{behind}上，{outer}围着{inner}绕成一圈"
    return f"{outer} in a circle around {inner} on {behind}"


def pair(canvas: Canvas, story: Story, rng: Random) -> str:
    tints, things = rng.sample(story.tints, 2), story.pick(rng, 2)
    upright = canvas.height > canvas.width
    for index, (tint, thing) in enumerate(zip(tints, things, strict=True)):
        wide, high = canvas.width / (1 if upright else 2), canvas.height / (2 if upright else 1)
        left, top = (0.0, index * high) if upright else (index * wide, 0.0)
        canvas.box((left, top, left + wide, top + high), tint.hex)
        angle = rng.uniform(-15, 15)
        canvas.stamp(thing.emoji, left + wide / 2, top + high / 2, min(wide, high) * 0.72, angle=angle)
    first, second = (story.word(thing).one for thing in things)
    if story.lang == "zh":
        sides = ("上半边", "下半边") if upright else ("左边", "右边")
        return f"{sides[0]}{tints[0].zh}色底上是{first}，{sides[1]}{tints[1].zh}色底上是{second}"
    sides = ("above", "below") if upright else ("on the left", "on the right")
    return f"{first} {sides[0]} on {tints[0].en}, {second} {sides[1]} on {tints[1].en}"


SCENES: tuple[Layout, ...] = (portrait, row, grid, table, landscape, landscape, ring, pair)
"""Layouts without text; landscapes are twice as frequent as the others."""
