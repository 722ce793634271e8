"""The shapes of the histogram, with numbers worked by hand."""

from __future__ import annotations

from uninote.service.console.histogram import GAP, HEIGHT, TOP, chart


def test_bars_stand_where_their_scores_are_and_rise_with_the_root_of_the_count() -> None:
    drawn = chart([0.0, 0.5, 1.0], [4, 1], lines=[(0.5, "in force")])
    first, second = drawn.bars
    assert first.x == 0
    assert second.x == 50
    assert drawn.lines[0].at == 50
    assert abs(first.height - 2 * second.height) < 0.02  # sqrt(4) to sqrt(1)
    assert first.y == TOP
    assert abs(second.y + second.height - drawn.bottom) < 0.02
    assert (first.hit, second.hit) == (False, True)
    assert abs(first.width - 50 * (1 - GAP)) < 0.01
    assert drawn.height == HEIGHT


def test_an_empty_bin_is_not_drawn_and_marks_lie_inside() -> None:
    drawn = chart([0.1, 0.4, 0.7, 1.0], [0, 3, 0], [0, 1, 0])
    assert len(drawn.bars) == len(drawn.positives) == 1
    assert "0.400 to 0.700: 3 scores" in drawn.bars[0].title
    assert all(0 <= mark.at <= 100 for mark in drawn.x_marks)
    assert [mark.text for mark in drawn.y_marks] == ["0", "1", "3"]
