"""CNXML reader: OpenStax modules as pages, and collections (CollXML) as ordered lists of modules.

CNXML (namespace http://cnx.rice.edu/cnxml) is a tree of sections, paragraphs, lists, notes and figures.
Tables, exercises, footnotes, figures and the abstract are left out of the body; figures become pictures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from uninote.corpora.page import (
    MAX_ALT,
    MAX_CAPTION,
    MAX_SECTION,
    Figure,
    Page,
    PageError,
    cut,
    joined,
    one_line,
)

_SILENT = {"figure", "table", "exercise", "problem", "solution", "footnote", "media", "code", "metadata"}
_SILENT_IN_TEXT = {*_SILENT, "list", "title", "note"}
_BLOCKS = {"para", "item", "quote", "equation", "title", "definition"}
_BOILERPLATE = re.compile(r"(learning objectives|.*\bable to:?)", re.IGNORECASE)


@dataclass(frozen=True)
class Collection:
    """A book: title, licence address (empty if none is named), and (module, chapter) in reading order."""

    title: str
    licence: str
    modules: tuple[tuple[str, str], ...]


def read_module(data: bytes) -> Page:
    """Read the page of one `index.cnxml`. Raises PageError when it is not well-formed, or has no content."""
    root = _parsed(data)
    content = _child(root, "content")
    if content is None:
        raise PageError("bad page: the module has no <content>")
    title = _child(root, "title")
    blocks: list[str] = []
    _collect(content, blocks)
    return Page(
        title=_text(title) if title is not None else "",
        body=joined(blocks),
        figures=tuple(_figures(content)),
        links=tuple(link for node in content.iter("{*}link") if (link := node.get("document"))),
    )


def read_collection(data: bytes) -> Collection:
    """Read the modules of one `.collection.xml`; a module's chapter is the nearest title above it.

    Raises PageError when it is not well-formed.
    """
    root = _parsed(data)
    metadata = _child(root, "metadata")
    title = _child(metadata, "title") if metadata is not None else None
    licence = _child(metadata, "license") if metadata is not None else None
    modules = []
    for module in root.iter("{*}module"):
        chapter = next((_child(above, "title") for above in module.iterancestors("{*}subcollection")), None)
        if document := module.get("document"):
            modules.append((document, _text(chapter) if chapter is not None else ""))
    return Collection(
        _text(title) if title is not None else "",
        (licence.get("url") or "") if licence is not None else "",
        tuple(modules),
    )


def read_books(data: bytes) -> list[str]:
    """Return the paths of the collections, relative to `META-INF`, that a `books.xml` names."""
    return [href for book in _parsed(data).iter("{*}book") if (href := book.get("href"))]


def _parsed(data: bytes) -> etree._Element:
    """Parse bytes and return the root, without external resources.

    Raises PageError for malformed XML and for any document type, which could hold entity bombs.
    """
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise PageError(f"bad page: not well-formed XML: {one_line(str(error))[:200]}") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise PageError("bad page: it declares a document type, which could hold entity bombs")
    return root


def _name(node: etree._Element) -> str:
    return str(etree.QName(node).localname)


def _child(node: etree._Element, name: str) -> etree._Element | None:
    return next((child for child in node if _name(child) == name), None)


def _collect(node: etree._Element, blocks: list[str]) -> None:
    """Add the text of `node`'s blocks in document order."""
    for child in node:
        name = _name(child)
        if name in _SILENT or name == "label":
            continue
        if name in _BLOCKS:
            text = _text(child)
            if not _BOILERPLATE.fullmatch(text):
                blocks.append(text)
            if name != "title":
                _nested(child, blocks)
        else:
            _collect(child, blocks)


def _nested(block: etree._Element, blocks: list[str]) -> None:
    """Add lists and notes inside a paragraph or an item as blocks of their own."""
    for child in block:
        if _name(child) in ("list", "note"):
            _collect(child, blocks)
        elif _name(child) not in _SILENT:
            _nested(child, blocks)


def _text(node: etree._Element) -> str:
    """Return the text of one block, without nested elements that are blocks of their own."""
    return one_line("".join(_pieces(node)))


def _pieces(node: etree._Element) -> Iterator[str]:
    yield node.text or ""
    for child in node:
        if _name(child) == "newline":
            yield " "
        elif _name(child) == "title" and _name(node) in _BLOCKS:
            yield from _pieces(child)  # a run-in heading
            yield " "
        elif _name(child) not in _SILENT_IN_TEXT:
            yield from _pieces(child)
        yield child.tail or ""


def _figures(content: etree._Element) -> Iterator[Figure]:
    for media in content.iter("{*}media"):
        image = next((node for node in media.iter("{*}image") if node.get("src")), None)
        if image is None:
            continue
        caption = None
        section = ""
        for above in media.iterancestors():
            name = _name(above)
            if name == "figure" and caption is None:
                caption = _child(above, "caption")
            title = _child(above, "title") if name in ("section", "note", "example") else None
            if title is not None and not section:
                section = _text(title)
        yield Figure(
            src=image.get("src") or "",
            alt=cut(one_line(media.get("alt") or ""), MAX_ALT),
            section=cut(section, MAX_SECTION),
            caption=cut(_text(caption), MAX_CAPTION) if caption is not None else "",
        )
