"""Conversion of a page to a note with the benchmark's fields; everything left out is reported."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from uninote.corpora.documents import Document, contents
from uninote.corpora.page import MAX_BODY, Figure, PageError, cut
from uninote.corpora.pictures import convert
from uninote.corpora.pins import CorpusPins
from uninote.corpus.skips import SkipReport
from uninote.errors import PictureError

MIN_BODY = 150
MAX_PICTURES = 12

# Words of a caption whose picture is not under the page's licence.
_RESTRICTED = re.compile(
    r"CC BY-N[CD]|CC-BY-N[CD]|non-?commercial|no-?deriv|all rights reserved", re.IGNORECASE
)


def make_note(
    document: Document, root: Path, pins: CorpusPins, out: Path, skips: SkipReport
) -> dict[str, Any] | None:
    """Make the note of `document` and write its pictures under `out`/images; None when the page is unusable.

    `links` holds all linked pages, whether or not they become notes. Pictures have no `ocr`, which
    `uninote annotate` reads.
    """
    try:
        page = document.read(contents(root, document.path))
        body = cut(page.body, MAX_BODY)
        if len(body) < MIN_BODY:
            raise PageError(f"too little text: {len(body)} characters of at least {MIN_BODY}")
        if not page.figures:
            raise PageError("no picture: the page shows none")
        images = _images(document, page.figures, root, out, skips)
        if not images:
            raise PageError("no picture: none of the page's can be used")
    except PageError as error:
        skips.add(document.id, str(error), document.path)
        return None
    links = dict.fromkeys(document.link(target) for target in page.links)
    return {
        "id": document.id,
        "title": page.title,
        "body": body,
        "images": images,
        "tags": list(document.tags),
        "category": document.category,
        "links": [link for link in links if link != document.id],
        "source": document.source,
        "lang": pins.lang,
        "corpus": pins.corpus,
        "licence": pins.licence,
    }


def _images(
    document: Document, figures: tuple[Figure, ...], root: Path, out: Path, skips: SkipReport
) -> list[dict[str, Any]]:
    """Convert the first usable pictures, each once."""
    images: dict[str, dict[str, Any]] = {}
    for figure in figures:
        src = document.picture(figure.src)
        if len(images) == MAX_PICTURES:
            skips.add(document.id, f"trimmed: only the first {MAX_PICTURES} pictures are kept", document.path)
            break
        if not figure.alt:
            skips.add(document.id, f"not described: picture {src} has no alt text", document.path)
            continue
        if figure.caption and _RESTRICTED.search(figure.caption):
            skips.add(document.id, f"licence: the caption of {src} restricts its use", document.path)
            continue
        try:
            made = convert(root, src, out)
        except PictureError as error:
            skips.add(document.id, f"bad picture: {error}", document.path)
            continue
        about = {"path": made["path"], "alt": figure.alt, "section": figure.section}
        about |= {"src_w": made["src_w"], "src_h": made["src_h"], "src": src}
        if figure.caption is not None:
            about["caption"] = figure.caption
        images.setdefault(made["path"], about)
    return list(images.values())
