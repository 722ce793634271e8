"""Story of one sample post: its topic and things, and the title, body and tags about them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from uninote.sample.world import Lang, Mood, Thing, Tint, Topic, Word, World


@dataclass(frozen=True)
class Story:
    """Subject of one post. `heroes` belong to its topic, `guests` to others; both may be drawn."""

    topic: Topic
    lang: Lang
    heroes: tuple[Thing, ...]
    guests: tuple[Thing, ...]
    who: str
    place: str
    mood: Mood
    tints: tuple[Tint, ...]

    @property
    def shop(self) -> str:
        """The name on signs and receipts, e.g. "Maple Street Bakery"."""
        gap = " " if self.lang == "en" else ""
        return f"{self.place}{gap}{self.topic.shop[self.lang]}"

    def word(self, thing: Thing) -> Word:
        return thing.word(self.lang)

    def pick(self, rng: Random, number: int) -> list[Thing]:
        """Pick `number` different things to draw: heroes, sometimes with a guest as the last one."""
        heroes = rng.sample(self.heroes, min(number, len(self.heroes)))
        if number > 1 and rng.random() < 0.35:
            heroes[-1] = rng.choice(self.guests)
        return heroes


def new_story(world: World, rng: Random) -> Story:
    """Draw the first post of a series at random; about 30 % are Chinese."""
    topic = rng.choice(world.topics)
    others = [thing for other in world.topics if other is not topic for thing in other.things]
    lang: Lang = "zh" if rng.random() < 0.3 else "en"
    return Story(
        topic,
        lang,
        tuple(rng.sample(topic.things, 5)),
        tuple(rng.sample(others, 3)),
        rng.choice(world.people[lang]),
        rng.choice(world.places[lang]),
        rng.choice(world.moods),
        tuple(rng.sample(world.tints, 4)),
    )


def next_story(story: Story, world: World, rng: Random) -> Story:
    """Draw a related post: same topic, place and people, two heroes kept, the rest at random."""
    kept = rng.sample(story.heroes, 2)
    fresh = [thing for thing in story.topic.things if thing not in story.heroes]
    others = [thing for other in world.topics if other is not story.topic for thing in other.things]
    return Story(
        story.topic,
        story.lang,
        (*kept, *rng.sample(fresh, 3)),
        tuple(rng.sample(others, 3)),
        story.who,
        story.place,
        rng.choice(world.moods),
        tuple(rng.sample(world.tints, 4)),
    )


def tell(story: Story, rng: Random) -> tuple[str, str]:
    """Write title and body. They name most heroes and no guest, so no text identifies every picture."""
    phrases = story.topic.phrases[story.lang]
    names = [story.word(hero) for hero in story.heroes]
    rng.shuffle(names)
    templates = [
        rng.choice(phrases.openings),
        *rng.sample(phrases.middles, rng.randint(2, 3)),
        rng.choice(phrases.closings),
    ]
    sentences = [
        _fill(template, story, names[turn % 4], names[(turn + 1) % 4])
        for turn, template in enumerate(templates)
    ]
    title = _fill(rng.choice(phrases.titles), story, names[0], names[1])
    return title, (" " if story.lang == "en" else "").join(sentences)


def tags(story: Story) -> list[str]:
    """Return topic, place and the first two heroes."""
    return [story.topic.names[story.lang], story.place, *(str(story.word(hero)) for hero in story.heroes[:2])]


def _fill(template: str, story: Story, first: Word, second: Word) -> str:
    text = template.format(
        a=first, b=second, who=story.who, place=story.place, mood=story.mood.phrase[story.lang]
    )
    return text[0].upper() + text[1:]
