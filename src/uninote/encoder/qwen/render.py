"""Rendering of an item as chat blocks within the token budget: picture sizes, trimming, limits."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from uninote.encoder.qwen.chat import JOINT, Block, Chat, labels
from uninote.encoder.qwen.pixels import MIN_UNITS, Pixels
from uninote.encoder.qwen.settings import QwenSettings
from uninote.encoder.qwen.video import Clip, VideoRules, time_of, with_clips
from uninote.encoder.stills import with_stills
from uninote.encoder.truncate import fit_lengths
from uninote.items import Item, Part, Picture
from uninote.tasks.definitions import INSTRUCTIONS

log = logging.getLogger(__name__)


class Sized(NamedTuple):
    """Picture or clip that is shown, with height and width in pixels; a clip may have fewer frames."""

    part: Picture | Clip
    side: tuple[int, int]


class Renderer:
    """Renderer of items for one model: its limits, chat template and picture sizes."""

    def __init__(
        self, settings: QwenSettings, chat: Chat, pixels: Pixels, video: VideoRules | None = None
    ) -> None:
        """Take `video`, the checkpoint's rules for videos, if these are rendered as videos."""
        self.settings, self.chat, self.pixels, self.video = settings, chat, pixels, video

    def sized(self, parts: Sequence[Part | Clip], room: int) -> list[Sized]:
        """Return the pictures and clips that fit, first come first served, in at most half of `room` tokens.

        The size of each depends only on those before it: a prefix of the item has the same pixels.
        """
        unit = self.pixels.unit**2
        area, half = max(1, self.settings.note_pixels // unit), max(1, room // 2)
        found: list[Sized] = []
        visible = [part for part in parts if not isinstance(part, str)]
        for part in visible[: self.settings.max_pictures]:
            if found and min(area, half) < MIN_UNITS:
                break
            if isinstance(part, Clip):
                clip, side, around = self._fitted(part, area, half)
                found.append(Sized(clip, side))
                visual = len(clip.patches) * self._tokens(side)
            else:
                found.append(Sized(part, self.pixels.side(part, min(area, half, self._most))))
                visual, around = self._tokens(found[-1].side), 0
            area, half = area - visual, half - visual - around
        return found

    @property
    def _most(self) -> int:
        """The most visual tokens of a picture or a temporal patch."""
        return max(1, self.settings.picture_pixels // self.pixels.unit**2)

    def _tokens(self, side: tuple[int, int]) -> int:
        return side[0] * side[1] // self.pixels.unit**2

    def _fitted(self, clip: Clip, area: int, half: int) -> tuple[Clip, tuple[int, int], int]:
        """Return the clip with as many frames as fit, their size, and the tokens around its patches.

        area: visual tokens that it may have. half: tokens that it may have in all.
        """
        assert self.video is not None, "clips are made where videos are rendered as videos"
        around = sum(map(len, self._around(clip, len(clip.patches) - 1)))
        clip = clip.thinned(min(len(clip.patches), area // MIN_UNITS, half // (MIN_UNITS + around)))
        count = len(clip.patches)
        each = max(1, min(area // count, half // count - around, self._most))
        height, width = self.pixels.size(clip.frames[0])
        side = self.video.side(height, width, len(clip.frames), self.pixels.unit, each * count)
        return clip, side, around * count

    def _around(self, clip: Clip, place: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the tokens before and after a temporal patch, without those of the whole video."""
        if self.video is None or not self.video.stamped:
            return (), ()
        return self.chat.label(f"<{time_of(clip.patches[place]):.1f} seconds>"), self.chat.closed

    def _clip(self, clip: Clip, side: tuple[int, int]) -> list[Block]:
        assert self.video is not None, "clips are made where videos are rendered as videos"
        blocks = []
        last = len(clip.patches) - 1
        for place, (patch, time) in enumerate(zip(clip.patches, self.video.times(clip), strict=True)):
            before, after = self._around(clip, place)
            before = (self.chat.opened if place == 0 else ()) + before
            after += self.chat.closed if place == last else ()
            digest = JOINT.join(frame.digest for frame in patch)
            stays = not self.video.stamped and place < last
            blocks.append(Block(before, after, digest, side, self._tokens(side), True, time, stays))
        return blocks

    def seen(self, item: Item) -> Item:
        """Return the item with its videos as the model takes them, see `with_stills`."""
        return item if self.video is not None else with_stills(item, self.pixels.corpus.stills)

    def blocks(self, item: Item, head: int, warn: bool = True) -> list[Block]:
        """Return the blocks of `item` that fit into the token budget after a head of `head` tokens.

        `warn`: log a warning when something is trimmed.
        """
        room = self.settings.max_tokens - head - len(self.chat.tail)
        item = self.seen(item)
        given = with_clips(item) if self.video is not None else list(item.parts)
        sized = self.sized(given, room)
        pictures = [one.part for one in sized if isinstance(one.part, Picture)]
        named = iter(labels(pictures, isinstance(given[0], Picture)))
        shown = iter(sized)
        parts: list[list[Block] | tuple[int, ...]] = []
        for part in given:
            if isinstance(part, str):
                parts.append(self.chat.text(part, room))
            elif (found := next(shown, None)) is not None:
                if isinstance(found.part, Clip):
                    parts.append(self._clip(found.part, found.side))
                else:
                    before, after = self.chat.label(next(named)), self.chat.closed
                    visual = self._tokens(found.side)
                    parts.append([Block(before, after, found.part.digest, found.side, visual)])
        fixed = sum(block.length for part in parts if isinstance(part, list) for block in part)
        fixed += len(self.chat.separator) * (len(parts) - 1)
        lengths = [len(part) for part in parts if not isinstance(part, list)]
        fitted = fit_lengths(lengths, room - fixed)
        kept = sum(len(one.part.frames) if isinstance(one.part, Clip) else 1 for one in sized)
        if warn and (kept < len(item.pictures) or fitted != lengths):
            log.warning(
                "item trimmed to %d of %d pictures and %d of %d text tokens",
                *(kept, len(item.pictures), sum(fitted), sum(lengths)),
            )
        cut = iter(fitted)
        blocks: list[Block] = []
        for tokens in parts:
            made = tokens if isinstance(tokens, list) else [Block(tokens[: next(cut)])]
            if made[0].length:
                lead = self.chat.separator if blocks else ()
                blocks += [made[0]._replace(before=lead + made[0].before), *made[1:]]
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
