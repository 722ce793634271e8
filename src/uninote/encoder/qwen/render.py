"""Rendering of an item as chat blocks within the token budget: picture sizes, trimming, limits."""

from __future__ import annotations

import logging

from uninote.encoder.qwen.chat import Block, Chat, labels
from uninote.encoder.qwen.pixels import MIN_UNITS, Pixels
from uninote.encoder.qwen.settings import QwenSettings
from uninote.encoder.truncate import fit_lengths
from uninote.items import Item, Picture
from uninote.tasks.definitions import INSTRUCTIONS

log = logging.getLogger(__name__)


class Renderer:
    """Renderer of items for one model: its limits, chat template and picture sizes."""

    def __init__(self, settings: QwenSettings, chat: Chat, pixels: Pixels) -> None:
        self.settings, self.chat, self.pixels = settings, chat, pixels

    def sides(self, item: Item, room: int) -> list[tuple[int, int]]:
        """Return sizes of the pictures that fit, first come first served, in at most half of `room` tokens.

        The size of a picture depends only on those before it: a prefix of the item has the same pixels.
        """
        unit = self.pixels.unit**2
        left = max(1, min(self.settings.note_pixels // unit, room // 2))
        sides: list[tuple[int, int]] = []
        for picture in item.pictures[: self.settings.max_pictures]:
            if sides and left < MIN_UNITS:
                break
            sides.append(self.pixels.side(picture, min(left, max(1, self.settings.picture_pixels // unit))))
            left -= sides[-1][0] * sides[-1][1] // unit
        return sides

    def blocks(self, item: Item, head: int, warn: bool = True) -> list[Block]:
        """Return the blocks of `item` that fit into the token budget after a head of `head` tokens.

        `warn`: log a warning when something is trimmed.
        """
        room = self.settings.max_tokens - head - len(self.chat.tail)
        sides = self.sides(item, room)
        pictures = item.pictures[: len(sides)]
        shown = iter(zip(pictures, sides, labels(pictures, isinstance(item.parts[0], Picture)), strict=True))
        parts: list[Block | tuple[int, ...]] = []
        for part in item.parts:
            if isinstance(part, str):
                parts.append(self.chat.text(part, room))
            elif (found := next(shown, None)) is not None:
                picture, side, label = found
                visual = side[0] * side[1] // self.pixels.unit**2
                before, after = self.chat.label(label), self.chat.closed
                parts.append(Block(before, after, picture.digest, side, visual))
        fixed = sum(part.length for part in parts if isinstance(part, Block))
        fixed += len(self.chat.separator) * (len(parts) - 1)
        lengths = [len(part) for part in parts if not isinstance(part, Block)]
        fitted = fit_lengths(lengths, room - fixed)
        if warn and (len(pictures) < len(item.pictures) or fitted != lengths):
            log.warning(
                "item trimmed to %d of %d pictures and %d of %d text tokens",
                *(len(pictures), len(item.pictures), sum(fitted), sum(lengths)),
            )
        cut = iter(fitted)
        blocks: list[Block] = []
        for tokens in parts:
            block = tokens if isinstance(tokens, Block) else Block(tokens[: next(cut)])
            if block.length:
                lead = self.chat.separator if blocks else ()
                blocks.append(block._replace(before=lead + block.before))
        return blocks

    def limits(self) -> dict[str, int]:
        """Return the largest tokens, pictures and pixels of an item that is not trimmed."""
        settings, unit = self.settings, self.pixels.unit**2
        head = max(len(self.chat.head(text)) for text in ("", *INSTRUCTIONS.values()))
        room = settings.max_tokens - head - len(self.chat.tail)
        return {
            "max_tokens": settings.max_tokens,
            "max_pictures": settings.max_pictures,
            "note_pixels": min(settings.note_pixels // unit, room // 2) * unit,
        }
