from __future__ import annotations

import pytest

from uninote.evaluation.examples import nearest_part, why
from uninote.evaluation.vectors import ItemVectors
from uninote.evaluation.words import words
from uninote.items import Item


def test_why_names_what_both_sides_share(make_picture) -> None:
    picture = make_picture(1, ocr=("Save as", "Cancel"))
    query = Item.of(picture, "The castle garden of 1920")
    target = Item.of("a garden in the castle, 1920", picture, "Save as")
    found = why(query, target, frozenset({"the"}))
    assert found == {
        "pictures": 1,
        "ocr": ["Save as", "Cancel"],
        "words": ["cancel", "castle", "garden", "save"],
    }


def test_text_in_a_picture_explains_a_picture_query(make_picture) -> None:
    query = Item.of(make_picture(1, ocr=("EXIT 21",)))
    assert why(query, Item.of("way out\nEXIT 21"))["ocr"] == ["EXIT 21"]
    assert why(query, Item.of("nothing")) == {"pictures": 0, "ocr": [], "words": []}


def test_nearest_part_of_a_composite(lookup_encoder) -> None:
    vectors = ItemVectors(lookup_encoder({"one": [1, 0], "two  words": [0.6, 0.8], "q": [0, 1]}))
    query = Item.of("q")
    vectors.add([query])
    found = nearest_part(vectors, vectors.of([query])[0], Item.of("one", "two  words"))
    assert found["nearest"]["part"] == "“two words”"
    assert found["nearest"]["score"] == pytest.approx(0.8)
    assert nearest_part(vectors, vectors.of([query])[0], Item.of("one")) == {}


def test_nearest_picture_is_counted_among_pictures(hash_encoder, make_picture) -> None:
    pictures = [make_picture(i) for i in range(3)]
    vectors = ItemVectors(hash_encoder)
    query = Item.of(pictures[1])
    vectors.add([query])
    found = nearest_part(vectors, vectors.of([query])[0], Item.of("text", *pictures))
    assert found["nearest"] == {"part": "picture 2", "score": pytest.approx(1)}


def test_words_of_latin_and_chinese() -> None:
    assert words("The Café's snake_case v2") == ["the", "café", "s", "snake", "case", "v2"]
    assert words("打开Excel工具选项") == ["打开", "excel", "工具", "具选", "选项"]
    assert words("书 a") == ["书", "a"]
    assert words(" \n-") == []
