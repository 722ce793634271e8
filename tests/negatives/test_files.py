import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uninote.errors import ItemError
from uninote.items import Item, Moment, Note, Ocr, Picture
from uninote.negatives.example import Example
from uninote.negatives.files import read_examples, read_pairs, write_examples, write_pairs
from uninote.negatives.mine import mine_examples
from uninote.settings import NegativeSettings
from uninote.tasks.definitions import SFT_TASKS, Pair, Task
from uninote.tasks.pairs import make_pairs


@pytest.fixture
def pairs(tmp_path: Path, picture) -> list[Pair]:
    folder = tmp_path / "notes" / "images"
    folder.mkdir(parents=True)
    notes = []
    for k in range(4):
        (folder / f"{k}.png").write_bytes(f"picture {k}".encode())
        stored = Picture.from_path(folder / f"{k}.png", description=f"picture {k}", ocr=(f"line {k}",))
        notes.append(
            Note(f"n{k}", f"标题 {k}", "body\n" * 50, (stored, picture(f"in memory {k}", f"words {k}")))
        )
    return [pair for task in SFT_TASKS for pair in make_pairs(notes, task)]


def content(value: Pair | Example) -> tuple[object, ...]:
    """Return every field that a file must keep, with items by their key."""
    if isinstance(value, Example):
        return (content(value.pair), [n.key for n in value.negatives], value.scores, value.positive_score)
    rest = value.counterfactual.key if value.counterfactual else None
    known = (value.task, value.query.key, value.positive.key, value.note_id, value.picture, rest)
    return (*known, value.neutral)


def kinds(item: Item) -> list[tuple[type, str | None]]:
    """Return the kind of every part, and the picture that it is or was read in."""
    return [(type(part), getattr(part, "of", getattr(part, "digest", None))) for part in item.parts]


def test_pairs_come_back(pairs, tmp_path: Path) -> None:
    related = Pair(Task.NOTE2NOTE, Item.of("a"), Item.of("b"), "a", None, neutral=frozenset({"k", "l"}))
    pairs = [*pairs, related]
    write_pairs(pairs, tmp_path / "run" / "pairs.jsonl")
    again = read_pairs(tmp_path / "run" / "pairs.jsonl")
    assert list(map(content, again)) == list(map(content, pairs))
    for one, other in zip(again, pairs, strict=True):
        pictures = zip(one.query.pictures, other.query.pictures, strict=True)
        assert all(a.read() == b.read() for a, b in pictures)
        assert kinds(one.positive) == kinds(other.positive)
    assert {Ocr} < {kind for pair in again for kind, _ in kinds(pair.positive)}


def test_a_file_without_kinds_of_texts_is_read_as_plain_texts(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    digest = Picture.from_bytes(b"one").digest
    lines = (
        {"part": 0, "digest": digest},
        {"part": 1, "text": "No dogs"},
        {"item": 0, "parts": [0, 1]},
        {"task": "Note2Note", "query": 0, "positive": 0, "note_id": "n", "picture": None},
    )
    file.write_text("\n".join(map(json.dumps, lines)))
    (pair,) = read_pairs(file)
    assert kinds(pair.query) == [(Picture, digest), (str, None)]


def test_examples_come_back(pairs, reference, tmp_path: Path) -> None:
    examples = mine_examples(pairs, reference, NegativeSettings(per_query=2), 0)
    write_examples(examples, tmp_path / "examples.jsonl")
    again = read_examples(tmp_path / "examples.jsonl")
    assert list(map(content, again)) == list(map(content, examples))
    assert list(map(content, read_pairs(tmp_path / "examples.jsonl"))) == list(map(content, pairs))


def test_every_content_is_written_once_and_paths_are_relative(pairs, tmp_path: Path) -> None:
    file = tmp_path / "run" / "pairs.jsonl"
    write_pairs(pairs, file)
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    texts = [line["text"] for line in lines if "text" in line]
    assert len(set(texts)) == len(texts)
    digests = [line["digest"] for line in lines if "digest" in line]
    assert len(set(digests)) == len(digests) == 8
    paths = {line["path"] for line in lines if "path" in line}
    assert paths == {f"../notes/images/{k}.png" for k in range(4)}
    (tmp_path / "elsewhere").mkdir()
    for name in ("run", "notes"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    moved = read_pairs(tmp_path / "elsewhere" / "run" / "pairs.jsonl")
    assert moved[0].query.pictures[0].read() == b"picture 0"


def test_an_interrupted_write_leaves_the_old_file(pairs, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    write_pairs(pairs[:2], file)

    def failing():
        yield pairs[0]
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        write_pairs(failing(), file)
    assert list(map(content, read_pairs(file))) == list(map(content, pairs[:2]))


def test_unmined_pairs_are_no_examples(pairs, tmp_path: Path) -> None:
    write_pairs(pairs, tmp_path / "pairs.jsonl")
    with pytest.raises(ItemError, match=r"pairs\.jsonl:\d+: a pair without negatives"):
        read_examples(tmp_path / "pairs.jsonl")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "it is no JSON at character 3"),
        (b"\xff\xfe", "it is no text in UTF-8 at byte 1"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b"[]", "a part of it has another form"),
        (b'{"item": 0, "parts": [7]}', "a part of it has another form"),
        (b'{"task": "I2X"}', "'I2X' is not a valid Task"),
        (b'{"part": 0}', "it has no 'digest'"),
        (b'{"part": 0, "digest": "a", "data": "?"}', "is not whole base64"),
    ],
)
def test_damage_is_named_by_line_and_in_words(line: bytes, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_bytes(b'{"part": 0, "text": "fine"}\n' + line + b"\n")
    with pytest.raises(ItemError, match=rf"bad\.jsonl:2 is no line of .*{reason}.*uninote mine"):
        read_pairs(file)


def test_a_missing_file_is_an_error_to_read(tmp_path: Path) -> None:
    with pytest.raises(ItemError, match="cannot be read"):
        read_pairs(tmp_path / "none.jsonl")


ITEMS = st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=3).map(lambda p: Item(tuple(p)))
SCORES = st.floats(-1, 1, width=32)
NEGATIVES = st.lists(st.tuples(ITEMS, SCORES), max_size=3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    rows=st.lists(st.tuples(st.sampled_from(Task), ITEMS, ITEMS, st.text(), NEGATIVES, SCORES), max_size=4)
)
def test_any_text_comes_back(rows, tmp_path: Path) -> None:
    examples = [
        Example(
            Pair(task, query, positive, note_id, None),
            tuple(item for item, _ in negatives),
            tuple(score for _, score in negatives),
            score,
        )
        for task, query, positive, note_id, negatives, score in rows
    ]
    write_examples(examples, tmp_path / "any.jsonl")
    assert read_examples(tmp_path / "any.jsonl") == examples


def test_descriptions_of_pictures_are_kept(pairs: list[Pair], tmp_path: Path) -> None:
    write_pairs(pairs, tmp_path / "pairs.jsonl")
    for pair, read in zip(pairs, read_pairs(tmp_path / "pairs.jsonl"), strict=True):
        for item, again in ((pair.query, read.query), (pair.positive, read.positive)):
            assert [p.description for p in again.pictures] == [p.description for p in item.pictures]


def test_frames_of_videos_stay_frames(pairs: list[Pair], tmp_path: Path) -> None:
    even = Picture.from_bytes(b"a", frame=True)
    timed = [Picture.from_bytes(b"a", frame=True, moment=Moment(n / 2, 0.5)) for n in range(2)]
    pair = replace(pairs[0], query=Item.of(even, *timed))
    write_pairs([pair], tmp_path / "pairs.jsonl")
    (read,) = read_pairs(tmp_path / "pairs.jsonl")
    assert read.query.key == pair.query.key
    assert [(one.frame, one.moment) for one in read.query.pictures] == [
        (True, None),
        *((True, one.moment) for one in timed),
    ]
