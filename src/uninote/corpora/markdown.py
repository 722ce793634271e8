"""Markdown reader for Microsoft's documentation: CommonMark with tables and the `:::image` directive.

Code blocks, pictures, directives, includes and `<xref:…>` are left out of the body. Headings, list items and
quotes are lines of their own; an empty line separates paragraphs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser

import yaml
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from uninote.corpora.page import MAX_ALT, MAX_SECTION, Figure, Page, PageError, cut, joined, one_line

_FRONT = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_DIRECTIVE = re.compile(r":::\s*image\b([^\n]*?):::|:::\s*image-end\s*:::")
_INCLUDE = re.compile(r"\[!INCLUDE\s*\[[^\]\n]*\]\s*\([^)\n]*\)\s*\]", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"([a-z-]+)\s*=\s*\"([^\"]*)\"")
_MARKER = re.compile(r"\s*(?::{3}.*|\[!\w[^\]]*\]\s*)")
_FOREIGN = re.compile(r"\w[\w+.-]*:|//|#")


def read_page(data: bytes, fallback_title: str = "") -> Page:
    """Read the page of one `.md` file.

    The title is that of the front matter, else the first heading of level 1, else `fallback_title`. Raises
    PageError when the bytes are not UTF-8.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PageError(f"bad encoding: not UTF-8: {error.reason} at byte {error.start}") from error
    front = _FRONT.match(text)
    reader = _Reader()
    reader.read(_parser().parse(text[front.end() :] if front else text))
    title = _title(front.group(1)) if front else ""
    return Page(
        title=title or reader.heading or fallback_title,
        body=joined(reader.blocks),
        figures=tuple(reader.figures),
        links=tuple(reader.links),
    )


def _title(front: str) -> str:
    """Return the title in the front matter, empty if it has none."""
    try:
        fields = yaml.safe_load(front)
    except yaml.YAMLError:
        found = re.search(r"^title:\s*(.+)$", front, re.MULTILINE)  # often an unquoted colon
        return one_line(found.group(1).strip(" \"'")) if found else ""
    title = fields.get("title") if isinstance(fields, dict) else None
    return one_line(str(title)) if title is not None else ""


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable("table")
    parser.inline.ruler.before("text", "docs_directive", _directive)
    return parser


def _directive(state: StateInline, silent: bool) -> bool:
    """Replace `:::image …:::` by a picture and drop `[!INCLUDE […](…)]`."""
    span = (state.src, state.pos, state.posMax)  # no copy: this rule runs at every special character
    if not state.src.startswith((":::", "[!"), state.pos):
        return False
    found = _DIRECTIVE.match(*span) or _INCLUDE.match(*span)
    if not found:
        return False
    if not silent and found.lastindex:
        attributes = dict(_ATTRIBUTE.findall(found.group(1)))
        token = state.push("image", "img", 0)
        token.attrs = {"src": attributes.get("source", "")}
        token.content = attributes.get("alt-text", "")
    state.pos = found.end()
    return True


class _Reader:
    """Collector of blocks, pictures and links from the token stream of one page."""

    def __init__(self) -> None:
        self.blocks: list[str] = []
        self.figures: list[Figure] = []
        self.links: list[str] = []
        self.heading = ""  # the first of level 1
        self._section = ""
        self._close = True  # the next paragraph follows without an empty line

    def read(self, tokens: Sequence[Token]) -> None:
        cells: list[str] = []
        inside: list[str] = []  # open blocks, the innermost last
        for token in tokens:
            if token.type == "inline":
                text = self._inline(token.children or [])
                if "table" in inside:
                    cells.append(text)
                elif inside and inside[-1] in ("h1", "h2", "h3", "h4", "h5", "h6"):
                    self._head(inside[-1], one_line(text))
                else:
                    self._close |= "blockquote" in inside
                    self._paragraph(text)
            elif token.type == "html_block":
                self._paragraph(self._html(token.content))
            elif token.nesting == 1:
                inside.append(token.tag)
                self._close |= token.tag == "li"
            elif token.nesting == -1:
                inside.pop()
                if token.tag == "table":
                    self._paragraph(" ".join(cell for cell in cells if cell))
                    cells = []

    def _head(self, tag: str, text: str) -> None:
        self._section = cut(text, MAX_SECTION) or self._section
        if tag == "h1" and not self.heading:
            self.heading = text  # it becomes the title, not a block
        else:
            self.blocks.append(text)
        self._close = True

    def _paragraph(self, text: str) -> None:
        """Add a block, after an empty line except after a heading, in a quote or in a new list item."""
        lines = (line for line in text.splitlines() if not _MARKER.fullmatch(line))
        if text := one_line(" ".join(lines)):
            self.blocks.append(text if self._close else f"\n{text}")
            self._close = False

    def _inline(self, tokens: Sequence[Token]) -> str:
        return "".join(self._pieces(tokens))

    def _pieces(self, tokens: Sequence[Token]) -> Iterator[str]:
        hidden = False  # inside <xref:…>
        for token in tokens:
            if token.type == "image":
                self._figure(str(token.attrs.get("src", "")), token.content)
            elif token.type == "link_open":
                href = str(token.attrs.get("href", ""))
                hidden = href.lower().startswith("xref:") and token.info == "auto"
                if href and not _FOREIGN.match(href):
                    self.links.append(href)
            elif token.type == "link_close":
                hidden = False
            elif token.type in ("softbreak", "hardbreak"):
                yield "\n"
            elif token.type == "html_inline":
                yield self._html(token.content)
            elif not hidden:
                yield token.content  # text and inline code; markup has none

    def _html(self, html: str) -> str:
        """Return the text of raw HTML and collect its pictures and links."""
        parser = _Html()
        parser.feed(html)
        parser.close()
        for src, alt in parser.pictures:
            self._figure(src, alt)
        self.links += [href for href in parser.links if not _FOREIGN.match(href)]
        return "".join(parser.text)

    def _figure(self, src: str, alt: str) -> None:
        if src and not _FOREIGN.match(src):
            self.figures.append(Figure(src, cut(one_line(_plain(alt)), MAX_ALT), self._section))


def _plain(alt: str) -> str:
    """Remove emphasis and code marks from a description."""
    return re.sub(r"[*`]+", "", alt)


class _Html(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.pictures: list[tuple[str, str]] = []
        self.links: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        if tag == "img":
            self.pictures.append((values.get("src", ""), values.get("alt", "")))
        elif tag == "a" and values.get("href"):
            self.links.append(values["href"])
        elif tag in ("script", "style", "pre"):
            self._silent += 1
        elif tag in ("br", "p", "li", "td", "th", "div", "tr"):
            self.text.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style", "pre"):
            self._silent = max(0, self._silent - 1)

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.text.append(data)
