from uninote.corpus.quality import balance_notes, filter_notes
from uninote.corpus.skips import SkipReport
from uninote.items import Note, Picture
from uninote.settings import CorpusSettings


def note(
    name: str, pictures: int = 1, category: str = "", likes: int | None = None, body: str = "text"
) -> Note:
    held = tuple(Picture.from_bytes(f"{name}{index}".encode()) for index in range(pictures))
    return Note(name, body=body, pictures=held, category=category, likes=likes)


def test_filter_by_likes_text_and_pictures(report: SkipReport) -> None:
    settings = CorpusSettings(min_likes=100, min_text_chars=4, min_pictures=1)
    notes = [
        note("ok", likes=100),
        note("unknown likes"),
        note("unloved", likes=99),
        note("mute", body="  ab  "),
        note("blind", pictures=0),
    ]
    assert [kept.id for kept in filter_notes(notes, settings, report)] == ["ok", "unknown likes"]
    assert {skip.note_id: skip.kind for skip in report} == {
        "unloved": "too few likes",
        "mute": "too little text",
        "blind": "too few pictures",
    }


def test_title_and_body_count_together(report: SkipReport) -> None:
    whole = Note("a", title="ab", body="cd", pictures=(Picture.from_bytes(b"x"),))
    assert filter_notes([whole], CorpusSettings(min_text_chars=4), report) == [whole]
    assert filter_notes([whole], CorpusSettings(min_text_chars=5), report) == []


def balanced() -> list[Note]:
    """Balance topic a (20 notes with one picture, 3 with two, 1 with four) and topic b (2 notes)."""
    counts = [1] * 20 + [2] * 3 + [4]
    return [note(f"a{index}", count, "a") for index, count in enumerate(counts)] + [
        note("b0", 1, "b"),
        note("b1", 1, "b"),
    ]


def test_balance_caps_topics_and_evens_out_picture_counts() -> None:
    notes = balanced()
    kept = balance_notes(notes, 6, seed=0)
    assert [n.id for n in kept] == [n.id for n in notes if n in kept]  # order kept
    topic = [len(n.pictures) for n in kept if n.category == "a"]
    assert sorted(topic) == [1, 1, 1, 2, 2, 4]
    assert sum(n.category == "b" for n in kept) == 2


def test_balance_is_seeded_and_independent_of_order() -> None:
    notes = balanced()
    chosen = [{n.id for n in balance_notes(notes, 6, seed)} for seed in range(5)]
    assert chosen[0] == {n.id for n in balance_notes(notes[::-1], 6, 0)}
    assert len({frozenset(ids) for ids in chosen}) > 1


def test_no_cap_keeps_everything() -> None:
    assert balance_notes(balanced(), None, 0) == balanced()
