"""Review queue, verdicts, and the precision of a category by its verdicts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy.orm import Session
from tests.service.conftest import MakeNote, Toward, World

from uninote.service.domain.base import audit
from uninote.service.domain.gallery import versions
from uninote.service.domain.gallery.calibration_scores import reviewed
from uninote.service.domain.review import verdicts
from uninote.service.domain.review.export import export_verdicts
from uninote.service.domain.review.verdicts import Quality
from uninote.service.errors import ConflictError, InvalidError, NotFoundError


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


def reviews_of(world: World, note_id: str) -> list[Any]:
    return world.database.transaction(lambda s: verdicts.history(s, note_id))


def undo(world: World, review_id: int, actor: str = "ana") -> Any:
    return world.database.transaction(lambda s: verdicts.undo(s, review_id, actor))


def verdict_of(world: World, match_id: int) -> Any:
    return world.rows(f"SELECT verdict FROM service.matches WHERE id = {match_id}")[0][0]


def test_the_same_verdict_again_changes_nothing(world: World, matches: dict[str, int]) -> None:
    first = judge(world, matches["n0"], "true_positive")
    assert {judge(world, matches["n0"], "true_positive").id for _ in range(2)} == {first.id}
    silent = world.database.transaction(lambda s: verdicts.judge(s, matches["n0"], "true_positive", "ana"))
    assert silent.id == first.id
    assert len(reviews_of(world, "n0")) == 1
    assert world.rows("SELECT count(*) FROM service.audit WHERE action = 'review'") == [(1,)]
    judge(world, matches["n0"], "true_positive", "bo")  # a second opinion is a record of its own
    judge(world, matches["n0"], "true_positive", "ana")
    assert [one.actor for one in reviews_of(world, "n0")] == ["ana", "bo", "ana"]


def test_two_equal_verdicts_at_the_same_time_are_one_record(world: World, matches: dict[str, int]) -> None:
    together = Barrier(4)

    def post(_: int) -> int:
        together.wait()
        return int(judge(world, matches["n0"], "false_positive").id)

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(post, range(4)))) == 1
    assert len(reviews_of(world, "n0")) == 1


def test_an_undo_restores_what_was_before_and_is_a_record(world: World, matches: dict[str, int]) -> None:
    first = judge(world, matches["n0"], "true_positive", "bo")
    second = judge(world, matches["n0"], "false_positive")
    record = undo(world, second.id)
    assert (record.verdict, record.undoes, record.actor) == ("true_positive", second.id, "ana")
    assert undo(world, second.id).id == record.id  # sent twice: done once
    assert verdict_of(world, matches["n0"]) == "true_positive"
    assert undo(world, first.id).verdict == "withdrawn"
    assert verdict_of(world, matches["n0"]) is None
    assert [one.verdict for one in reviews_of(world, "n0")] == [
        "withdrawn",
        "true_positive",
        "false_positive",
        "true_positive",
    ]
    logged = world.database.transaction(lambda s: audit.entries(s, action="review.undo"))
    assert [one.details["verdict"] for one in logged] == [None, "true_positive"]
    again = judge(world, matches["n0"], "true_positive", "bo")
    assert again.id not in (first.id, second.id)


def test_only_the_last_verdict_on_a_match_can_be_undone(
    world: World, note: MakeNote, at: Toward, matches: dict[str, int]
) -> None:
    first = judge(world, matches["n0"], "true_positive")
    later = judge(world, matches["n0"], "false_positive", "bo")
    with pytest.raises(ConflictError, match="later verdict"):
        undo(world, first.id)
    record = undo(world, later.id)
    with pytest.raises(ConflictError, match="record of an undo"):
        undo(world, record.id)
    with pytest.raises(NotFoundError, match="no verdict 99"):
        undo(world, 99)
    world.ingest(note("n0", at(0.95), "changed"))
    with pytest.raises(ConflictError, match="has changed since"):
        undo(world, first.id)


def test_the_last_verdict_of_an_actor_that_can_be_undone(world: World, matches: dict[str, int]) -> None:
    def last(actor: str = "ana", **options: Any) -> Any:
        found = world.database.transaction(lambda s: verdicts.last_of(s, actor, **options))
        return found and (found[0].id, found[1].note_id)

    assert last() is None
    one, two = judge(world, matches["n0"], "unsure"), judge(world, matches["n1"], "unsure")
    assert (last(), last("bo")) == ((two.id, "n1"), None)
    undo(world, two.id)
    assert last() == (one.id, "n0")
    judge(world, matches["n0"], "true_positive", "bo")
    assert last() is None
    three = judge(world, matches["n2"], "unsure")
    judge(world, matches["other"], "unsure")
    assert last(category="spam") == (three.id, "n2")
    assert last(category="none") is None


def test_a_verdict_that_someone_else_gave_meanwhile_is_not_replaced(
    world: World, matches: dict[str, int]
) -> None:
    def put(verdict: str, **options: Any) -> Any:
        return world.database.transaction(
            lambda s: verdicts.judge(s, matches["n0"], verdict, "bo", **options)
        )

    judge(world, matches["n0"], "true_positive")
    for expected, named in ((None, "none"), ("unsure", "unsure")):
        with pytest.raises(
            ConflictError, match=f"is true positive, not {named}; false positive was not saved"
        ):
            put("false_positive", expected=expected)
    assert put("true_positive", expected=None).actor == "bo"  # of one mind
    assert put("false_positive", expected="true_positive").verdict == "false_positive"
    assert put("unsure").verdict == "unsure"  # not checked


def test_the_surest_come_first_page_by_page(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam")
    world.sample("spam", at(1.0))
    given = {"a": 0.9, "b": 0.97, "c": 0.85, "d": 0.97}
    world.ingest(*[note(name, at(score)) for name, score in given.items()])

    def page(**options: Any) -> list[Any]:
        return world.database.transaction(lambda s: verdicts.surest(s, **options))

    first = page(limit=1) + page(limit=1, before=(page(limit=1)[0].score, page(limit=1)[0].id))
    assert [one.note_id for one in first] == ["d", "b"]  # of equal scores the newest
    judge(world, first[0].id, "unsure")  # a verdict meanwhile moves no other case
    assert [one.note_id for one in page(before=(first[1].score, first[1].id))] == ["a", "c"]
    assert page(category="scam") == []
    assert [one.note_id for one in page(verdict="unsure")] == ["d"]


def test_open_matches_are_counted_up_to_a_limit(
    world: World, matches: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(category: str | None = None) -> int:
        return world.database.transaction(lambda s: verdicts.count_open(s, category))

    assert (count(), count("spam"), count("none")) == (5, 4, 0)
    judge(world, matches["n0"], "unsure")
    assert count() == 4
    monkeypatch.setattr(verdicts, "MAX_COUNTED", 2)
    assert count() == 3


def test_a_withdrawn_verdict_is_no_evidence(world: World, matches: dict[str, int], tmp_path: Path) -> None:
    undo(world, judge(world, matches["n0"], "true_positive").id)
    judge(world, matches["n1"], "true_positive")

    def evidence(session: Session) -> tuple[int, int]:
        found = reviewed(session, versions.active(session), "spam")
        return len(found.scores), export_verdicts(session, tmp_path).pairs

    assert world.database.transaction(evidence) == (1, 1)
