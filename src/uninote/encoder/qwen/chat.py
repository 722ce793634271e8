"""Chat format of an item: role-labelled pictures between texts, as blocks of tokens that do not interact.

    <|im_start|>system\\n{instruction}<|im_end|>\\n<|im_start|>user\\n{blocks}<|im_end|>\\n<|im_start|>assistant\\n

The text around the blocks comes from the tokenizer's own chat template. A block is a text or
`Cover:<|vision_start|><|image_pad|>…<|vision_end|>`. Its label depends only on the blocks before it, and the
separator in front of it never merges with either side. So the tokens of a longer item begin with those of its
prefix, and tokenising the whole prompt as one string returns the same tokens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from uninote.errors import ModelError
from uninote.items import Picture

INSTRUCTION = "Represent the user's input."
"""System text of an item without a task: the default of Qwen3-VL-Embedding."""
SEPARATOR = " \n"
CHARS_PER_TOKEN = 12
"""Text beyond this many characters per token of budget cannot survive trimming, so it is not tokenised."""
CACHE = 65_536
JOINT = "+"
"""Sign between the digests of the frames of a temporal patch."""

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content %}{% if part.type == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Chat template of a model folder without its own."""


class Block(NamedTuple):
    """Tokens of one part: `before`, then `visual` picture tokens, then `after`; a text has `before` only.

    A video has a block for each of its temporal patches.

    Attributes:
        digest: of the picture, or those of the frames of a temporal patch, joined by `JOINT`; else empty.
        side: height and width of the picture in pixels as it enters the vision tower.
        video: its visual tokens are those of a video.
        time: position on the time axis, relative to the block's first visual position.
        stays: the next block's visual positions start where those of this block do.
    """

    before: tuple[int, ...]
    after: tuple[int, ...] = ()
    digest: str = ""
    side: tuple[int, int] = (0, 0)
    visual: int = 0
    video: bool = False
    time: int = 0
    stays: bool = False

    @property
    def length(self) -> int:
        return len(self.before) + self.visual + len(self.after)


def escape(text: str, controls: re.Pattern[str]) -> str:
    """Return `text` with a space in every control token, so that no tokenizer reads a control token.

    A space is only ever added, so breaking one token up cannot form another.
    """
    return controls.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)


def labels(pictures: Sequence[Picture], first: bool) -> list[str]:
    """Label pictures: Cover, Picture 2, …, Frame 1, …; empty for a picture that opens an item (`first`)."""
    named: list[str] = []
    shown = frames = 0
    for picture in pictures:
        if picture.frame:
            frames += 1
            label = f"Frame {frames}:"
        else:
            shown += 1
            label = "Cover:" if shown == 1 else f"Picture {shown}:"
        named.append("" if first and not named else label)
    return named


class Chat:
    """Chat tokens around and inside the parts of an item, for one tokenizer.

    Attributes:
        frame: strings before the instruction, between it and the content, of a picture, after the content.
        tail: tokens after the content; the last one is the read-out.

    Raises ModelError when the chat template does not place pictures in order of the content.
    """

    def __init__(self, tokenizer: Any, picture_id: int) -> None:
        self.tokenizer = tokenizer
        added = sorted(
            (token for token in tokenizer.get_added_vocab() if len(token) > 1), key=len, reverse=True
        )
        self.controls = re.compile("|".join(map(re.escape, added)) or r"(?!)")
        marks = "«system»", "«before»", "«after»"
        prompt = tokenizer.apply_chat_template(
            [
                {"role": "system", "content": [{"type": "text", "text": marks[0]}]},
                {"role": "user", "content": [_text(marks[1]), {"type": "image"}, _text(marks[2])]},
            ],
            chat_template=tokenizer.chat_template or CHATML,
            tokenize=False,
            add_generation_prompt=True,
        )
        found = re.fullmatch("(.*)".join(["", *marks, ""]), prompt, re.DOTALL)
        shown = found[3] if found else ""
        # The template of a merged model labels and joins the parts itself.
        bare = shown.removeprefix(f"{SEPARATOR}Cover:").removesuffix(SEPARATOR)
        picture = self.ids(bare)
        if found is None or picture.count(picture_id) != 1:
            raise ModelError(
                "the model's chat template does not show a picture where it stands in the text: "
                "choose a model of the Qwen-VL family"
            )
        self.opened, self.closed = (
            picture[: picture.index(picture_id)],
            picture[picture.index(picture_id) + 1 :],
        )
        # Some embedding models frame every input with tokens of their own (Qwen3-Embedding: <|endoftext|>),
        # which the template of a merged model has in it.
        plain, framed = self.ids("x"), tuple(tokenizer("x", add_special_tokens=bare == shown)["input_ids"])
        at = next(i for i in range(len(framed)) if framed[i : i + len(plain)] == plain)
        first, last = (
            "".join(tokenizer.convert_ids_to_tokens(ids)) for ids in (framed[:at], framed[at + len(plain) :])
        )
        self.frame = first + found[1], found[2], bare, found[4] + last
        self.tail = self.ids(self.frame[3])
        self.separator = self.ids(SEPARATOR)
        self._text_ids = lru_cache(CACHE)(self.ids)

    def ids(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def head(self, instruction: str) -> tuple[int, ...]:
        """Return the tokens before the content, with the default instruction when none is given."""
        system = escape(instruction or INSTRUCTION, self.controls)
        return self._text_ids(self.frame[0] + system + self.frame[1])

    def text(self, text: str, most: int) -> tuple[int, ...]:
        """Return tokens of a user's text, at most `most`: stripped, control tokens broken up."""
        clean = text.encode("utf-8", "replace").decode().strip()[: most * CHARS_PER_TOKEN]
        return self._text_ids(escape(clean, self.controls))[:most]

    def label(self, label: str) -> tuple[int, ...]:
        """Return tokens in front of a picture."""
        return (self._text_ids(label) if label else ()) + self.opened


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}
