"""Review queue, verdicts, and the precision of a category by its verdicts."""

from __future__ import annotations

from typing import Any

import pytest
from tests.service.conftest import MakeNote, Toward, World

from uninote.service.domain.base import audit
from uninote.service.domain.review import verdicts
from uninote.service.domain.review.verdicts import Quality
from uninote.service.errors import InvalidError, NotFoundError


@pytest.fixture
def matches(world: World, note: MakeNote, at: Toward) -> dict[str, int]:
    """Open matches by note: four of spam, one of scam."""
    world.category("spam")
    world.category("scam")
    world.sample("spam", at(1.0))
    world.sample("scam", at(0.0, 1.0))
    world.ingest(*[note(f"n{number}", at(0.9)) for number in range(4)], note("other", at(0.0, 0.9)))
    return dict(world.rows("SELECT note_id, id FROM service.matches"))


def judge(world: World, match_id: int, verdict: str, actor: str = "ana") -> Any:
    return world.database.transaction(
        lambda s: verdicts.judge(s, match_id, verdict, actor, f"said {verdict}")
    )


def test_the_queue_is_paged_newest_first(world: World, matches: dict[str, int]) -> None:
    def page(**options: Any) -> list[str]:
        return [match.note_id for match in world.database.transaction(lambda s: verdicts.queue(s, **options))]

    first = page(category="spam", limit=3)
    assert first == ["n3", "n2", "n1"]
    assert page(category="spam", limit=3, before=matches["n1"]) == ["n0"]
    assert page() == ["other", "n3", "n2", "n1", "n0"]
    judge(world, matches["n2"], "true_positive")
    assert page(category="spam") == ["n3", "n1", "n0"]
    assert page(verdict="true_positive") == ["n2"]


def test_a_later_verdict_counts_and_the_history_stays(world: World, matches: dict[str, int]) -> None:
    judge(world, matches["n0"], "true_positive")
    judge(world, matches["n0"], "false_positive", "bo")
    history = world.database.transaction(lambda s: verdicts.history(s, "n0"))
    assert [(one.verdict, one.actor, one.comment) for one in history] == [
        ("false_positive", "bo", "said false_positive"),
        ("true_positive", "ana", "said true_positive"),
    ]
    assert history[0].score == pytest.approx(0.9, abs=1e-3)
    logged = world.database.transaction(
        lambda s: audit.entries(s, subject=audit.note_subject("n0"), action="review")
    )
    assert [one.details["verdict"] for one in logged] == ["false_positive", "true_positive"]


def test_quality_counts_per_category(world: World, matches: dict[str, int]) -> None:
    for name, verdict in (("n0", "true_positive"), ("n1", "false_positive"), ("n2", "unsure")):
        judge(world, matches[name], verdict)
    scam, spam = world.database.transaction(verdicts.quality)
    assert spam == Quality("spam", 1, 1, 1, 1)
    assert (scam, scam.precision, spam.precision) == (Quality("scam", 1, 0, 0, 0), None, 0.5)


def test_a_verdict_stays_with_the_content_it_was_given_for(
    world: World, note: MakeNote, at: Toward, matches: dict[str, int]
) -> None:
    judge(world, matches["n0"], "true_positive")
    world.ingest(note("n0", at(0.95), "changed"))
    (match,) = world.database.transaction(lambda s: verdicts.matches_of(s, "n0"))
    assert match.verdict is None  # new content is reviewed again
    assert [one.verdict for one in world.database.transaction(lambda s: verdicts.history(s, "n0"))] == [
        "true_positive"
    ]


def test_bad_verdicts_are_refused(world: World, matches: dict[str, int]) -> None:
    with pytest.raises(InvalidError, match="none of"):
        judge(world, matches["n0"], "maybe")
    with pytest.raises(InvalidError, match="NUL"):
        world.database.transaction(lambda s: verdicts.judge(s, matches["n0"], "unsure", "ana", "\0"))
    with pytest.raises(NotFoundError, match="no match 99"):
        judge(world, 99, "unsure")
