"""Inputs of callers become the intended Item, and nothing is fetched."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from uninote.corpus.decode import load_picture
from uninote.errors import ItemError, NoteError, PictureError
from uninote.export.inputs import to_item, to_prompted
from uninote.items import Item, Note, Picture
from uninote.settings import CorpusSettings


def test_our_own_things_pass_through(note: Note, items: list[Item]) -> None:
    assert to_item(note) == note.item()
    assert [to_item(item) for item in items] == items
    assert to_item(note.pictures[0]) == Item.of(note.pictures[0])


def test_every_form_of_a_picture_has_the_pixels_of_the_file(
    make_picture: Callable[..., Picture], tmp_path: Path
) -> None:
    picture = make_picture(1)
    file = tmp_path / "a.png"
    file.write_bytes(picture.read())
    opened = Image.open(io.BytesIO(picture.read()))
    uri = "data:image/png;base64," + base64.b64encode(picture.read()).decode()
    want = np.asarray(load_picture(picture, CorpusSettings()))
    url = {"type": "image_url", "image_url": {"url": uri}}
    forms: list[Any] = [opened, np.asarray(opened), picture.read(), file, str(file), uri]
    values = [*forms, *[{"image": form} for form in forms], {"role": "user", "content": [url]}]
    for value in values:
        (part,) = to_item(value).parts
        assert isinstance(part, Picture)
        assert np.array_equal(np.asarray(load_picture(part, CorpusSettings())), want)


def test_order_of_parts_is_kept(make_picture: Callable[..., Picture]) -> None:
    a, b = make_picture(1), make_picture(2)
    assert to_item({"image": [a, b], "text": ["x", "y"]}) == Item.of(a, b, "x", "y")
    assert to_item({"text": "x", "image": a}) == Item.of("x", a)
    blocks = [{"type": "image", "image": a}, {"type": "text", "text": "x"}, {"type": "image", "image": b}]
    chat = [{"role": "system", "content": "Find it."}, {"role": "user", "content": blocks}]
    assert to_prompted(chat) == (Item.of(a, "x", b), "Find it.")


def test_keys_and_parts_have_the_order_that_sentence_transformers_gives_them(
    make_picture: Callable[..., Picture],
) -> None:
    """Compare with release 6.1, which keeps each input's own order of keys, also in mixed batches."""
    from sentence_transformers.base.modality import InputFormatter

    a, b = (Image.open(io.BytesIO(make_picture(seed).read())) for seed in (1, 2))
    values: list[Any] = [
        {"text": "x", "image": a},
        {"image": a, "text": "x"},
        {"image": [a, b], "text": ["x", "y", "z"]},
        {"text": ["x", "y"], "image": (b, a)},
    ]
    reader = InputFormatter("qwen3_vl", "structured")
    for batch in ([one] for one in values):
        modality, read = reader.parse_inputs(batch)[:2]
        alone = reader.batch_to_message(modality, read)[1]["message"]
        assert [to_item(message) for message in alone] == [to_item(value) for value in batch]
    modality, read, _ = reader.parse_inputs(values)
    assert modality == "message"
    assert [to_item(message) for message in read["message"]] == [to_item(value) for value in values]


def test_a_text_that_looks_like_a_path_stays_a_text_unless_the_file_is_there() -> None:
    for text in ("no-such-file.png", "see https://example.org/a.png there", "x" * 5000 + ".png", "a\0.png"):
        assert to_item(text) == Item.of(text)
    assert to_item({"text": "https://example.org/a.png"}).texts == ("https://example.org/a.png",)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("https://example.org/a.png", "not fetched"),
        ({"image": "http://example.org/a.png"}, "not fetched"),
        ({"image": "data:image/png;base64,%%"}, "base64"),
        ({"image": "missing.png"}, "missing.png"),
        ({"image": np.zeros((4, 4), np.float32)}, "uint8"),
        ({"image": 3}, "int is not a picture"),
        ({"text": 3}, "no part 'text' of type int"),
        ({"audio": "a.wav"}, "'audio'"),
        ({"role": "user", "content": [{"type": "video", "video": "a.mp4"}]}, "frames"),
        ({"text": " "}, "at least one"),
        (3, "int is not a picture"),
    ],
)
def test_what_cannot_be_read_says_how_to_give_it(value: Any, says: str) -> None:
    with pytest.raises((ItemError, NoteError), match=says):
        to_item(value)


def test_a_truncated_picture_is_named(make_picture: Callable[..., Picture], tmp_path: Path) -> None:
    data = make_picture(3, (64, 64)).read()
    file = tmp_path / "cut.png"
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(PictureError, match=r"cut\.png"):
        to_item(file)
    with pytest.raises(ItemError, match="cannot be decoded"):
        to_item(Image.open(file))
