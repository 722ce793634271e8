"""Built-in sample: complete, unique, reproducible, and readable by the reader of notes."""

import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from uninote.corpus.readers import read_notes
from uninote.corpus.skips import SkipReport
from uninote.errors import ConfigError
from uninote.sample.canvas import Canvas
from uninote.sample.notes import write_sample
from uninote.sample.scenes import SCENES, ring
from uninote.sample.signs import SIGNS, receipt
from uninote.sample.story import new_story, next_story
from uninote.sample.world import load_world
from uninote.settings import CorpusSettings

COUNT = 60


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("sample"), COUNT)


@pytest.fixture(scope="module")
def notes(sample: Path) -> list[dict]:
    return [json.loads(line) for line in sample.read_text(encoding="utf-8").splitlines()]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_is_read_without_any_skip(sample):
    report = SkipReport()
    read = read_notes(sample, CorpusSettings(), report)
    assert len(read) == COUNT
    assert not list(report)
    assert all(note.title and note.body and note.category and note.pictures for note in read)
    assert all(picture.description and picture.ocr is not None for note in read for picture in note.pictures)


def test_is_the_same_byte_for_byte_and_grows_at_the_end(sample, tmp_path):
    write_sample(tmp_path / "again", 6)
    write_sample(tmp_path / "twice", 6)
    write_sample(tmp_path / "other", 6, seed=1)
    again = files(tmp_path / "again")
    assert again == files(tmp_path / "twice")
    assert again["notes.jsonl"] != files(tmp_path / "other")["notes.jsonl"]
    longer = files(sample.parent)
    assert longer["notes.jsonl"].startswith(again.pop("notes.jsonl"))
    assert again.items() <= longer.items()


def test_pictures_are_unique_small_jpegs(sample, notes):
    paths = [sample.parent / image["path"] for note in notes for image in note["images"]]
    assert len({path.read_bytes() for path in paths}) == len(paths) == len(set(paths))
    for path in paths:
        with Image.open(path) as image:
            assert image.format == "JPEG"
            assert 200 <= min(image.size) <= max(image.size) <= 384


def test_descriptions_and_ocr_are_unique_to_a_picture(notes):
    images = [image for note in notes for image in note["images"]]
    alts = [image["alt"] for image in images]
    texts = [tuple(image["ocr"]) for image in images if image["ocr"]]
    assert len(set(alts)) == len(alts)
    assert len(set(texts)) == len(texts)
    assert 0.2 < len(texts) / len(images) < 0.5


def test_topics_languages_and_sizes_vary(notes):
    languages = Counter(note["lang"] for note in notes)
    assert 0.15 < languages["zh"] / COUNT < 0.45
    assert languages["en"] + languages["zh"] == COUNT
    assert len({note["category"] for note in notes}) >= 10
    counts = {len(note["images"]) for note in notes}
    assert min(counts) == 1
    assert 5 <= max(counts) <= 9
    assert len({note["title"] for note in notes}) > 0.9 * COUNT


def test_language_of_a_note_is_that_of_all_its_texts(notes):
    for note in notes:
        texts = [note["title"], note["body"], *(image["alt"] for image in note["images"])]
        has_chinese = [any("一" <= letter <= "鿿" for letter in text) for text in texts]
        assert all(has_chinese) if note["lang"] == "zh" else not any(has_chinese)


def test_body_names_what_is_drawn_but_quotes_no_description(notes):
    world = load_world()
    things = [thing for topic in world.topics for thing in topic.things]
    speaking = 0
    for note in notes:
        alts = [image["alt"] for image in note["images"]]
        assert not any(alt in note["body"] or alt in note["title"] for alt in alts)
        names = {str(thing.word(note["lang"])) for thing in things}
        speaking += any(name in note["body"] and any(name in alt for alt in alts) for name in names)
    assert speaking > 0.8 * COUNT


def test_links_join_small_groups_of_one_topic(notes):
    by_id = {note["id"]: note for note in notes}
    linked = [note for note in notes if note["links"]]
    assert 0.1 * COUNT < len(linked) < 0.6 * COUNT
    for note in linked:
        (earlier,) = note["links"]
        assert earlier < note["id"]
        assert by_id[earlier]["category"] == note["category"]
        assert by_id[earlier]["lang"] == note["lang"]
    chain = {note["id"]: 1 for note in notes}
    for note in linked:
        chain[note["id"]] = chain[note["links"][0]] + 1
    assert max(chain.values()) <= 3


def test_notice_names_licence_and_attribution(sample):
    notice = (sample.parent / "SAMPLE.md").read_text(encoding="utf-8")
    for words in ("generated", "OpenMoji", "CC BY-SA 4.0", "SIL Open Font License"):
        assert words in notice


def test_less_than_one_note_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="at least 1"):
        write_sample(tmp_path / "none", 0)
    assert not (tmp_path / "none").exists()


def test_vocabulary_is_bilingual_and_unambiguous():
    world = load_world()
    things = [thing for topic in world.topics for thing in topic.things]
    assert len(things) >= 120
    for names in (
        [thing.emoji for thing in things],
        [str(thing.en) for thing in things],
        [str(thing.zh) for thing in things],
    ):
        assert len(set(names)) == len(names)
    egg = next(thing for thing in things if thing.emoji == "🥚")
    assert [egg.en.count(number) for number in (1, 3)] == ["an egg", "three eggs"]
    assert [egg.zh.count(number) for number in (1, 2)] == ["一个鸡蛋", "两个鸡蛋"]


@pytest.mark.parametrize("layout", [*SCENES, *SIGNS])
def test_every_layout_draws_and_only_signs_carry_text(layout):
    for seed in range(4):
        rng = Random(seed)
        canvas = Canvas((320, 256))
        assert layout(canvas, new_story(load_world(), rng), rng)
        assert bool(canvas.lines) == (layout in SIGNS)
        assert canvas.finish().size == (320, 256)
        assert len(canvas.finish().getcolors(320 * 256)) > 20


def test_description_counts_what_is_stamped(monkeypatch):
    stamped: list[str] = []
    monkeypatch.setattr(Canvas, "stamp", lambda self, emoji, *_args, **_options: stamped.append(emoji))
    things = {thing.emoji: thing for topic in load_world().topics for thing in topic.things}
    for seed in range(20):
        stamped.clear()
        rng = Random(seed)
        story = new_story(load_world(), rng)
        description = ring(Canvas((320, 320)), story, rng)
        for emoji, number in Counter(stamped).items():
            assert things[emoji].word(story.lang).count(number) in description


def test_receipt_total_is_the_sum():
    rng = Random(3)
    canvas = Canvas((384, 384))
    receipt(canvas, new_story(load_world(), rng), rng)
    rows = [line.split() for line in canvas.lines[1:-1]]
    total = sum(int(row[0]) * float(row[-1]) for row in rows)
    assert len(rows) == 4
    assert float(canvas.lines[-1].split()[-1]) == pytest.approx(total)


def test_text_shrinks_to_its_width():
    canvas = Canvas((200, 60))
    size = canvas.text(100, 30, "WWWWWWWWWWWWWWWWWWWW", 40, "#000000", width=120)
    ink = canvas.finish().convert("L").point(lambda value: 255 * (value < 200)).getbbox()
    assert size < 40
    assert ink is not None
    assert ink[2] - ink[0] <= 121
    assert canvas.lines == ["WWWWWWWWWWWWWWWWWWWW"]


def test_related_story_keeps_two_heroes():
    rng = Random(5)
    first = new_story(load_world(), rng)
    second = next_story(first, load_world(), rng)
    assert len(set(first.heroes) & set(second.heroes)) == 2
    assert (second.topic, second.place, second.who, second.lang) == (
        first.topic,
        first.place,
        first.who,
        first.lang,
    )
