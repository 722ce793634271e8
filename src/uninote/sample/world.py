"""Vocabulary of the built-in sample: things, places, moods and phrases, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

Lang = Literal["en", "zh"]
_NUMBERS: Mapping[Lang, tuple[str, ...]] = {
    "en": ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "zh": ("零", "一", "两", "三", "四", "五", "六", "七", "八", "九"),
}


@dataclass(frozen=True)
class Word:
    """Name of a thing in one language; `str()` is the bare name, as sentence templates use it."""

    name: str
    one: str
    many: str
    lang: Lang
    measure: str = ""

    def __str__(self) -> str:
        return self.name

    def count(self, number: int) -> str:
        """Count as "three strawberries" or "三颗草莓"; a single one is `one`."""
        if number == 1:
            return self.one
        numeral = _NUMBERS[self.lang][number]
        return f"{numeral} {self.many}" if self.lang == "en" else f"{numeral}{self.measure}{self.name}"


@dataclass(frozen=True)
class Thing:
    """A drawable thing: one emoji of the picture set, with its names."""

    emoji: str
    en: Word
    zh: Word

    def word(self, lang: Lang) -> Word:
        return self.en if lang == "en" else self.zh


@dataclass(frozen=True)
class Tint:
    """A colour as `#rrggbb`, with its names."""

    en: str
    zh: str
    hex: str

    def name(self, lang: Lang) -> str:
        return self.en if lang == "en" else self.zh


@dataclass(frozen=True)
class Backdrop:
    """A named background pattern or ground; `key` is the kind of a pattern or the colour of a ground."""

    key: str
    en: str
    zh: str

    def name(self, lang: Lang) -> str:
        return self.en if lang == "en" else self.zh


@dataclass(frozen=True)
class Mood:
    """Time of day or weather: its phrase in posts, and its sky in scenes."""

    key: str
    phrase: Mapping[Lang, str]
    sky: Mapping[Lang, str]
    top: str
    bottom: str
    light: str


@dataclass(frozen=True)
class Phrases:
    """Sentence templates and short drawn texts of one topic in one language."""

    titles: tuple[str, ...]
    openings: tuple[str, ...]
    middles: tuple[str, ...]
    closings: tuple[str, ...]
    slogans: tuple[str, ...]
    tips: tuple[str, ...]


@dataclass(frozen=True)
class Topic:
    key: str
    names: Mapping[Lang, str]
    shop: Mapping[Lang, str]
    things: tuple[Thing, ...]
    phrases: Mapping[Lang, Phrases]


@dataclass(frozen=True)
class World:
    topics: tuple[Topic, ...]
    tints: tuple[Tint, ...]
    moods: tuple[Mood, ...]
    grounds: tuple[Backdrop, ...]
    patterns: tuple[Backdrop, ...]
    people: Mapping[Lang, tuple[str, ...]]
    places: Mapping[Lang, tuple[str, ...]]


def _thing(line: str) -> Thing:
    emoji, name, many, chinese, measure = line.split("/")
    article = "an" if name[0].lower() in "aeiou" else "a"
    english = Word(name, f"{article} {name}", many, "en")
    return Thing(emoji, english, Word(chinese, f"一{measure}{chinese}", chinese, "zh", measure))


def _phrases(own: Mapping[str, str], common: Mapping[str, str]) -> Phrases:
    fields = Phrases.__dataclass_fields__
    return Phrases(**{key: tuple((own.get(key, "") + common.get(key, "")).splitlines()) for key in fields})


def _topic(key: str, raw: Mapping[str, Any], common: Mapping[str, Any]) -> Topic:
    languages: tuple[Lang, ...] = ("en", "zh")
    return Topic(
        key,
        {"en": key, "zh": raw["name"]},
        raw["shop"],
        tuple(_thing(line) for line in raw["things"].splitlines()),
        {lang: _phrases(raw[lang], common[lang]) for lang in languages},
    )


@cache
def load_world() -> World:
    """Load the world from the package's own YAML file."""
    raw = yaml.safe_load(files(__package__).joinpath("world.yaml").read_text(encoding="utf-8"))
    return World(
        topics=tuple(_topic(key, topic, raw["common"]) for key, topic in raw["topics"].items()),
        tints=tuple(Tint(*row) for row in raw["colours"]),
        moods=tuple(
            Mood(
                key,
                {"en": mood["en"], "zh": mood["zh"]},
                {"en": mood["sky_en"], "zh": mood["sky_zh"]},
                mood["top"],
                mood["bottom"],
                mood["light"],
            )
            for key, mood in raw["moods"].items()
        ),
        grounds=tuple(Backdrop(colour, en, zh) for en, zh, colour in raw["grounds"]),
        patterns=tuple(Backdrop(*row) for row in raw["patterns"]),
        people={lang: tuple(names) for lang, names in raw["people"].items()},
        places={lang: tuple(names) for lang, names in raw["places"].items()},
    )
