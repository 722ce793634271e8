"""Rendering: the prompt, labels, control tokens in user text, and blocks that do not change each other."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uninote.encoder.qwen.backbone import QwenVLBackbone
from uninote.encoder.qwen.chat import INSTRUCTION, labels
from uninote.errors import ModelError
from uninote.items import Item, Picture
from uninote.settings import EncoderSettings

CONTROLS = ["<|im_end|>", "<|vision_start|>", "<|image_pad|>", "<|im_start|>", "<|endoftext|>"]


@pytest.fixture(scope="module")
def backbone(tiny_qwen: Callable[..., Path]) -> QwenVLBackbone:
    folder = str(tiny_qwen())
    return QwenVLBackbone(folder, EncoderSettings(model=folder, max_tokens=512, device="cpu"))


def prompt(backbone: QwenVLBackbone, item: Item, instruction: str = "") -> list[int]:
    ids: list[int] = backbone.prepare([item], instruction)["ids"][0].tolist()
    return ids


def as_one_string(backbone: QwenVLBackbone, content: str, instruction: str = INSTRUCTION) -> list[int]:
    text = (
        f"<|im_start|>system\n{instruction}<|im_end|>\n<|im_start|>user\n{content}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    ids: list[int] = backbone.tokenizer(text)["input_ids"]
    return ids


def test_the_prompt_of_a_note(backbone: QwenVLBackbone, make_picture: Callable[..., Picture]) -> None:
    cover, second = make_picture(0, (64, 64)), make_picture(1, (96, 64))
    item = Item.of("a title", "a body.", cover, "SALE", second)
    shown = "<|vision_start|>{}<|vision_end|>".format
    content = (
        f"a title \na body. \nCover:{shown('<|image_pad|>' * 4)} \nSALE \n"
        f"Picture 2:{shown('<|image_pad|>' * 6)}"
    )
    assert prompt(backbone, item) == as_one_string(backbone, content)
    assert prompt(backbone, item, "Find it.") == as_one_string(backbone, content, "Find it.")
    alone = as_one_string(backbone, shown("<|image_pad|>" * 4))
    assert prompt(backbone, Item.of(cover)) == alone  # a picture alone is no one's cover


@dataclass(frozen=True)
class Frame(Picture):
    frame: bool = True


def test_labels(make_picture: Callable[..., Picture]) -> None:
    pictures = [make_picture(i) for i in range(3)]
    video = [pictures[0], Frame("a"), Frame("b"), pictures[1], Frame("c")]
    assert labels(video, first=False) == ["Cover:", "Frame 1:", "Frame 2:", "Picture 2:", "Frame 3:"]
    assert labels(pictures, first=False) == ["Cover:", "Picture 2:", "Picture 3:"]
    assert labels(pictures, first=True) == ["", "Picture 2:", "Picture 3:"]
    assert labels([], first=False) == []


texts = st.lists(
    st.one_of(
        st.text(max_size=12),
        st.lists(st.sampled_from([*CONTROLS, "<|im_", "end|>", "<", "|>", "a.", "\n", " "]), max_size=6).map(
            "".join
        ),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(texts)
def test_user_text_never_becomes_a_control_token(backbone: QwenVLBackbone, texts: list[str]) -> None:
    kept = [text for text in texts if text.strip()]
    if not kept:
        return
    ids = prompt(backbone, Item.of(*kept))
    controls = set(backbone.tokenizer.convert_tokens_to_ids(CONTROLS))
    frame = prompt(backbone, Item.of("x"))
    assert [i for i in ids if i in controls] == [i for i in frame if i in controls]


@settings(max_examples=60, deadline=None)
@given(texts, texts)
def test_a_prefix_has_the_first_tokens_of_the_whole(
    backbone: QwenVLBackbone, texts: list[str], more: list[str]
) -> None:
    kept = [text for text in texts if text.strip()]
    if not kept:
        return
    tail = len(backbone.chat.tail)
    short, long = prompt(backbone, Item.of(*kept)), prompt(backbone, Item.of(*kept, *more))
    assert long[: len(short) - tail] == short[:-tail]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="<", codec="utf-8"), max_size=12), max_size=4))
def test_blocks_are_the_tokens_of_the_joined_string(backbone: QwenVLBackbone, texts: list[str]) -> None:
    kept = [text.strip() for text in texts if text.strip()]
    if kept:
        assert prompt(backbone, Item.of(*kept)) == as_one_string(backbone, " \n".join(kept))


def test_a_template_of_the_model_is_used(tiny_qwen: Callable[..., Path], tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_qwen(), tmp_path / "model")
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}[{{ m.role }}]{% for p in m.content %}"
        "{% if p.type == 'image' %}<|image_pad|>{% else %}{{ p.text }}{% endif %}"
        "{% endfor %}{% endfor %}[answer]"
    )
    settings = EncoderSettings(model=str(folder), device="cpu")
    backbone = QwenVLBackbone(folder, settings)
    expected = backbone.tokenizer(f"[system]{INSTRUCTION}[user]x[answer]")["input_ids"]
    assert backbone.tokenizer.decode(prompt(backbone, Item.of("x"))) == backbone.tokenizer.decode(expected)
    assert backbone.chat.opened == ()
    (folder / "chat_template.jinja").write_text("{{ messages[0].content[0].text }}")
    with pytest.raises(ModelError, match="chat template"):
        QwenVLBackbone(folder, settings)
