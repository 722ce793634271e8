"""Contributions as people and programs read them."""

from __future__ import annotations

from uninote.attribution import Contribution, Explanation
from uninote.attribution.pieces import pieces_of
from uninote.cli.explanations import as_fields, as_lines
from uninote.items import Picture, compose

ITEM = compose(("A [red] car. " + "long " * 20,), (Picture.from_bytes(b"one", ocr=("Open",)),))


def test_lines_name_the_parts_that_add_most_and_fields_have_all_in_order() -> None:
    parts = zip(pieces_of(ITEM), (0.1, -0.25, 0.5, 0.2), strict=True)
    target = tuple(Contribution(piece, value, 0.9 - value) for piece, value in parts)
    found = Explanation(0.9, (), target)
    lines = as_lines(found)
    assert lines[0] == "[dim]+0.500[/dim] picture 1"
    assert lines[1] == "[dim]+0.200[/dim] read in picture 1: Open"
    assert lines[2] == "[dim]+0.100[/dim] A \\[red] car."
    assert lines[3].startswith("[dim]-0.250[/dim] long long")
    assert lines[3].endswith("…")
    fields = as_fields(found)
    assert fields["score"] == 0.9
    assert [(one["kind"], one["contribution"], one["left"]) for one in fields["target"]] == [
        ("sentence", 0.1, 0.8),
        ("sentence", -0.25, 1.15),
        ("picture", 0.5, 0.4),
        ("ocr", 0.2, 0.7),
    ]
