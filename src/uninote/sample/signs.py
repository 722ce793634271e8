"""Signs, the pictures with text of the built-in sample: sign, poster, receipt, menu, tip card, bubble, duel.

As in `scenes`, a layout returns the description of its picture. The description never quotes the text, which
is in the canvas's `lines` (the correct OCR result).
"""

from __future__ import annotations

from random import Random

from uninote.sample.canvas import Canvas, ink_on, shade
from uninote.sample.scenes import Layout, backdrop, listed
from uninote.sample.story import Story


def _slogan(story: Story, rng: Random) -> str:
    return rng.choice(story.topic.phrases[story.lang].slogans)


def _hours(story: Story, rng: Random) -> str:
    opens, closes = rng.randint(6, 11), rng.randint(16, 23)
    return f"{'Open' if story.lang == 'en' else '营业'} {opens}:00 - {closes}:00"


def _price(rng: Random) -> str:
    return f"{rng.randint(1, 48)}.{rng.choice(('00', '20', '50', '80', '95'))}"


def sign(canvas: Canvas, story: Story, rng: Random) -> str:
    mood, thing, tint = story.mood, story.pick(rng, 1)[0], rng.choice(story.tints)
    canvas.sky(mood.top, mood.bottom, mood.light, rng, 1.0)
    wide, high = canvas.width, canvas.height
    for x in (0.3, 0.7):
        canvas.box((wide * x - 7, high * 0.6, wide * x + 7, high), "#7d5535")
    canvas.box((14, 14, wide - 14, high * 0.8), tint.hex, 16, shade(tint.hex, 0.6), 5)
    ink, span = ink_on(tint.hex), wide - 56
    canvas.stamp(thing.emoji, wide / 2, high * 0.24, high * 0.3)
    canvas.text(wide / 2, high * 0.48, story.shop, 31, ink, width=span, bold=True)
    canvas.text(wide / 2, high * 0.6, _slogan(story, rng), 24, ink, width=span)
    canvas.text(wide / 2, high * 0.71, _hours(story, rng), 20, ink, width=span)
    name = story.word(thing).one
    if story.lang == "zh":
        return f"{mood.sky['zh']}下立着一块{tint.zh}色招牌，上面画着{name}，写着店名和时间"
    return (
        f"a sign board in {tint.en} on two wooden posts under {mood.sky['en']}, "
        f"with {name}, a name and opening hours"
    )


def poster(canvas: Canvas, story: Story, rng: Random) -> str:
    behind, things = backdrop(canvas, story, rng), story.pick(rng, 2)
    wide, high = canvas.width, canvas.height
    canvas.box((wide * 0.06, high * 0.05, wide * 0.94, high * 0.34), "#fffdf4", 8)
    canvas.box((wide * 0.06, high * 0.82, wide * 0.94, high * 0.95), "#22242b", 8)
    canvas.text(wide / 2, high * 0.14, _slogan(story, rng), 38, "#b3272d", width=wide * 0.8, bold=True)
    canvas.text(wide / 2, high * 0.27, story.shop, 24, "#22242b", width=wide * 0.8)
    for x, thing in zip((0.3, 0.7), things, strict=True):
        size = min(wide * 0.38, high * 0.38)
        canvas.stamp(thing.emoji, wide * x, high * 0.58, size, angle=rng.uniform(-14, 14))
    month, day, hour = rng.randint(1, 12), rng.randint(1, 28), rng.randint(9, 21)
    months = ("Jan", "Feb", "March", "April", "May", "June", "July", "Aug", "Sept", "Oct", "Nov", "Dec")
    when = f"{day} {months[month - 1]}, {hour}:30" if story.lang == "en" else f"{month}月{day}日 {hour}:30"
    canvas.text(wide / 2, high * 0.885, when, 24, "#ffffff", width=wide * 0.8)
    names = listed([story.word(thing).one for thing in things], story.lang)
    if story.lang == "zh":
        return f"一张活动海报，{behind}，中间是{names}，下方有日期"
    return f"an event poster on {behind} showing {names}, with a date below"


def receipt(canvas: Canvas, story: Story, rng: Random) -> str:
    desk = rng.choice(story.tints)
    canvas.pattern("plain", desk.hex, rng)
    wide, high = canvas.width, canvas.height
    left, right = wide * 0.09, wide * 0.91
    canvas.box((left + 6, 12, right + 6, high + 8), shade(desk.hex, 0.8))
    canvas.box((left, 8, right, high + 8), "#fffefa")
    things, span, ink = story.pick(rng, 4), right - left - 36, "#26262c"
    canvas.text(wide / 2, high * 0.12, story.shop, 25, ink, width=span, bold=True, serif=True)
    canvas.line([(left + 14, high * 0.21), (right - 14, high * 0.21)], "#9a9a9a")
    total = 0.0
    for index, thing in enumerate(things):
        number, price = rng.randint(1, 9), _price(rng)
        total += number * float(price)
        text = f"{number} x {story.word(thing)} {price}"
        canvas.text(left + 18, high * (0.3 + 0.12 * index), text, 21, ink, width=span, anchor="lm")
    canvas.line([(left + 14, high * 0.76), (right - 14, high * 0.76)], "#9a9a9a")
    text = f"{'TOTAL' if story.lang == 'en' else '合计'} {total:.2f}"
    canvas.text(right - 18, high * 0.87, text, 27, ink, width=span, anchor="rm", bold=True)
    names = listed([str(story.word(thing)) for thing in things], story.lang)
    if story.lang == "zh":
        return f"{desk.zh}色桌面上的一张购物小票，买了{names}"
    return f"a paper receipt on a desk in {desk.en}, listing four purchases: {names}"


def menu(canvas: Canvas, story: Story, rng: Random) -> str:
    canvas.pattern("plain", "#2c3a35", rng)
    wide, high = canvas.width, canvas.height
    canvas.box((6, 6, wide - 6, high - 6), None, 6, "#b98a55", 7)
    things, chalk = story.pick(rng, 3), "#fbf7e6"
    canvas.text(wide / 2, high * 0.15, _slogan(story, rng), 31, "#f8d66d", width=wide * 0.8, bold=True)
    for index, thing in enumerate(things):
        y = high * (0.36 + 0.2 * index)
        canvas.dot(wide * 0.17, y, high * 0.085, "#ffffff33")
        canvas.stamp(thing.emoji, wide * 0.17, y, high * 0.15)
        text = f"{story.word(thing)} {_price(rng)}"
        canvas.text(wide * 0.3, y, text, 24, chalk, width=wide * 0.62, anchor="lm")
    names = listed([story.word(thing).one for thing in things], story.lang)
    if story.lang == "zh":
        return f"木框黑板价目表，左边依次画着{names}"
    return f"a chalk board in a wooden frame with small drawings of {names} and their prices"


def tip(canvas: Canvas, story: Story, rng: Random) -> str:
    behind, thing = backdrop(canvas, story, rng), story.pick(rng, 1)[0]
    wide, high, phrases = canvas.width, canvas.height, story.topic.phrases[story.lang]
    canvas.box((20, 20, wide - 20, high - 20), "#fffffff2", 18)
    tips = rng.sample(phrases.tips, 2)
    first = rng.randint(1, 7)
    label = "STEP" if story.lang == "en" else "步骤"
    canvas.stamp(thing.emoji, wide / 2, high * 0.29, min(wide, high) * 0.36)
    for index, text in enumerate(tips):
        y = high * (0.6 + 0.2 * index)
        line = f"{label} {first + index}: {text}" if story.lang == "en" else f"{label}{first + index}：{text}"
        canvas.text(wide / 2, y, line, 23, "#22242b", width=wide - 64)
    name = story.word(thing).one
    if story.lang == "zh":
        return f"{behind}上的白色步骤卡片，上方画着{name}，下面两行说明"
    return f"a white instruction card on {behind}, {name} on top and two steps below"


def bubble(canvas: Canvas, story: Story, rng: Random) -> str:
    behind, thing = backdrop(canvas, story, rng), story.pick(rng, 1)[0]
    wide, high = canvas.width, canvas.height
    canvas.polygon(
        [(wide * 0.4, high * 0.4), (wide * 0.5, high * 0.4), (wide * 0.36, high * 0.58)], "#ffffff"
    )
    canvas.box((wide * 0.06, high * 0.06, wide * 0.94, high * 0.44), "#ffffff", 22)
    speech = (
        rng.choice(("Meet me at {}!", "I love {}!", "See you at {}", "Is this {}?", "Greetings from {}"))
        if story.lang == "en"
        else rng.choice(("{}见！", "我爱{}！", "这里是{}吗？", "来自{}的问候"))
    )
    text = rng.choice(story.topic.phrases[story.lang].tips)
    canvas.text(
        wide / 2, high * 0.18, speech.format(story.place), 27, "#22242b", width=wide * 0.78, bold=True
    )
    canvas.text(wide / 2, high * 0.33, text, 22, "#22242b", width=wide * 0.78)
    canvas.stamp(thing.emoji, wide * 0.34, high * 0.74, min(wide, high) * 0.44, angle=rng.uniform(-10, 10))
    name = story.word(thing).one
    if story.lang == "zh":
        return f"{behind}上，{name}头顶有一个白色对话气泡"
    return f"{name} under a white speech bubble on {behind}"


def duel(canvas: Canvas, story: Story, rng: Random) -> str:
    tints, things = rng.sample(story.tints, 2), story.pick(rng, 2)
    wide, high = canvas.width, canvas.height
    votes = rng.randint(20, 80)
    for index, (tint, thing) in enumerate(zip(tints, things, strict=True)):
        centre = wide * (0.25 + 0.5 * index)
        canvas.box((index * wide / 2, 0, (index + 1) * wide / 2, high), tint.hex)
        canvas.stamp(thing.emoji, centre, high * 0.36, wide * 0.36)
        canvas.box((centre - wide * 0.23, high * 0.68, centre + wide * 0.23, high * 0.95), "#fffffff0", 8)
        share = votes if index == 0 else 100 - votes
        canvas.text(centre, high * 0.75, str(story.word(thing)), 22, "#22242b", width=wide * 0.43)
        canvas.text(centre, high * 0.87, f"{share}%", 25, "#b3272d", width=wide * 0.4, bold=True)
    canvas.dot(wide / 2, high * 0.36, 22, "#d7263d")
    canvas.text(wide / 2, high * 0.36, "VS", 22, "#ffffff", width=36, bold=True)
    first, second = (story.word(thing).one for thing in things)
    if story.lang == "zh":
        return f"投票对比图：左边{tints[0].zh}色底的{first}，右边{tints[1].zh}色底的{second}"
    return f"a poll picture comparing {first} on {tints[0].en} with {second} on {tints[1].en}"


SIGNS: tuple[Layout, ...] = (sign, poster, receipt, menu, tip, bubble, duel)
"""Layouts with text, all equally frequent."""
