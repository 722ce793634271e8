"""Still frames of videos, for models that take no native video: few, at even distances, without times."""

from __future__ import annotations

from dataclasses import replace

from uninote.items import Item, Ocr, Part, Picture, joined


def with_stills(item: Item, most: int) -> Item:
    """Return the item with at most `most` >= 1 frames of each video that was sampled by rate, as pictures.

    They are the frames at the middle of equal parts, as in a video that is sampled evenly. Texts read in the
    other frames are left out.
    """
    if all(picture.moment is None for picture in item.pictures):
        return item
    taken: list[Picture | None] = []
    for group in joined(item.pictures):
        count = min(len(group), most)
        middles = {int((part + 0.5) * len(group) / count) for part in range(count)}
        taken += [replace(one, moment=None) if n in middles else None for n, one in enumerate(group)]
    gone = {one.digest for one in item.pictures} - {one.digest for one in taken if one}
    stills = iter(taken)
    parts: list[Part] = []
    for part in item.parts:
        shown = next(stills) if isinstance(part, Picture) else part
        if shown is not None and not (isinstance(part, Ocr) and part.of in gone):
            parts.append(shown)
    return Item(tuple(parts))
