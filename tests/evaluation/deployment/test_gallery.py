from __future__ import annotations

import pytest

from uninote.evaluation.deployment.gallery import ALL, KINDS, build_gallery, filed, with_enough


@pytest.fixture(scope="module")
def notes(make_note):
    return [make_note(i, pictures=i % 3, category="book", tags=(f"part {i % 2}", "book")) for i in range(6)]


def test_categories_are_the_filing_and_the_tags_in_it_each_set_of_notes_once(make_note) -> None:
    notes = [
        make_note(0, category="a", tags=("all of a", "one")),
        make_note(1, category="a", tags=("all of a",)),
        make_note(2, tags=("one",)),
        make_note(3),
    ]
    assert filed(notes) == {
        "a": {"n0", "n1"},
        "one": {"n2"},
        "a / one": {"n0"},
    }


def test_a_category_counts_with_enough_notes_in_every_group(notes) -> None:
    members = filed(notes)
    assert set(members) == {"book", "book / part 0", "book / part 1"}
    assert set(with_enough(members, notes[:3], notes[3:], minimum=2)) == {"book"}
    assert set(with_enough(members, notes[:3], minimum=2)) == {"book", "book / part 0"}


def test_samples_come_from_different_notes_of_the_category_and_a_shared_one_is_kept_once(notes) -> None:
    members = filed(notes)
    gallery = build_gallery(notes, members, 2, seed=1)
    assert len({(sample.kind, sample.note) for sample in gallery.samples}) == len(gallery.samples)
    for name, rows in gallery.rows.items():
        for kind in KINDS:
            drawn = [gallery.samples[row].note for row in rows if gallery.samples[row].kind == kind]
            assert len(drawn) == len(set(drawn)) == 2
            assert set(drawn) <= members[name]
    by_id = {note.id: note for note in notes}
    for sample in gallery.samples:
        note = by_id[sample.note]
        if sample.kind == "picture":
            assert sample.item.pictures[0] in note.pictures
            assert len(sample.item.parts) == 1
        else:
            assert sample.item.pictures == (note.pictures if sample.kind == "note" else ())
            assert sample.item.texts[:2] == (note.title, note.body)


def test_a_smaller_limit_draws_the_first_samples_of_a_larger_one(notes) -> None:
    small, large = (build_gallery(notes, filed(notes), limit, seed=0) for limit in (1, 3))
    assert {(s.kind, s.note) for s in small.samples} < {(s.kind, s.note) for s in large.samples}


def test_one_kind_keeps_its_samples_and_the_categories_with_enough(notes) -> None:
    gallery = build_gallery(notes, filed(notes), 6, seed=0)
    pictures = gallery.of_kind("picture", 3)  # 4 of 6 notes have pictures, 2 of each part
    assert {sample.kind for sample in pictures.samples} == {"picture"}
    assert list(pictures.rows) == ["book"]
    assert sorted(pictures.samples[row].note for row in pictures.rows["book"]) == ["n1", "n2", "n4", "n5"]
    assert gallery.of_kind(ALL, 1).samples == gallery.samples
    odd = gallery.only(["book / part 1", "none"])
    assert list(odd.rows) == ["book / part 1"]
    assert {sample.note for sample in odd.samples} == {"n1", "n3", "n5"}
    assert [odd.samples[row] for row in odd.rows["book / part 1"]] == [
        gallery.samples[row] for row in gallery.rows["book / part 1"]
    ]
