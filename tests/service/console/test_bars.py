"""Contributions as bars."""

from __future__ import annotations

from uninote.attribution import Contribution, Explanation
from uninote.attribution.pieces import pieces_of
from uninote.items import Picture, compose
from uninote.service.console.bars import bars, digests

PICTURE = Picture.from_bytes(b"one", ocr=("Open",))
PIECES = pieces_of(compose(("First. " + "x" * 400,), (PICTURE,)))


def test_what_matters_most_comes_first_and_what_holds_down_lies_left() -> None:
    values = (-0.1, 0.05, 0.2, 0.0)
    query = tuple(Contribution(piece, value, 0.5) for piece, value in zip(PIECES, values, strict=True))
    target = (Contribution(PIECES[0], 0.4, 0.1),)
    found = Explanation(0.5, query, target)
    assert digests(found) == {PICTURE.digest}
    left, right = bars(found, {PICTURE.digest})
    assert [(one.label, one.value, one.x, one.width) for one in left] == [
        ("picture 1", 0.2, 50, 50),
        ("", -0.1, 25, 25),
        ("", 0.05, 50, 12.5),
        ("read in picture 1", 0.0, 50, 0),
    ]
    assert [(one.x, one.width) for one in right] == [(50, 50)]
    assert left[0].picture == PICTURE.digest
    assert left[2].text == "x" * 300 + "…"
    assert bars(found, ())[0][0].picture == ""  # of an upload there is nothing to show


def test_nothing_contributes() -> None:
    found = Explanation(0.0, (Contribution(PIECES[0], 0.0, 0.0),), ())
    assert bars(found, ())[0][0].width == 0
