"""Documents of a checkout: its pages, with id, category, tags and link resolution by their paths."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

from uninote.corpora.cnxml import Collection, read_books, read_collection, read_module
from uninote.corpora.markdown import read_page
from uninote.corpora.page import Page, PageError
from uninote.corpora.pins import CorpusPins, Repository
from uninote.corpus.paths import resolve_inside
from uninote.corpus.skips import SkipReport
from uninote.errors import PictureError, reason_of

MAX_PAGE_BYTES = 5_000_000
_CC_BY = "creativecommons.org/licenses/by/"


@dataclass(frozen=True)
class Document:
    """One page of a checkout, not yet read.

    Attributes:
        id: the note's id.
        path: path of the page in the checkout, with `/`.
        read: parses the page's bytes; raises PageError.
        link: maps the target of a link to the id of its page.
    """

    id: str
    path: str
    source: str
    category: str
    tags: tuple[str, ...]
    read: Callable[[bytes], Page]
    link: Callable[[str], str]

    def picture(self, src: str) -> str:
        """Return the checkout's path of a picture that the page names; `~/` is the root, as in docs."""
        return _relative(self.path, src)


def documents(root: Path, pins: CorpusPins, repository: Repository, skips: SkipReport) -> Iterator[Document]:
    """Return all pages of the checkout `root`, in the benchmark's order; report unusable books in `skips`."""
    if pins.format == "cnxml":
        return _modules(root, pins, repository, skips)
    return _markdown(root, pins)


def contents(root: Path, path: str) -> bytes:
    """Read the file `path` of a checkout. Raises PageError when it is missing, too large or outside it."""
    try:
        file = resolve_inside(root, path)
        if (size := file.stat().st_size) > MAX_PAGE_BYTES:
            raise PageError(f"bad page: {path} has {size} bytes, over the cap of {MAX_PAGE_BYTES}")
        return file.read_bytes()
    except (OSError, PictureError) as error:
        reason = reason_of(error)
        raise PageError(f"missing page: {path} cannot be read: {reason}") from error


def _relative(page: str, target: str) -> str:
    target = unquote(target.partition("#")[0].partition("?")[0]).replace("\\", "/").strip()
    if target.startswith("~/"):
        return posixpath.normpath(target[2:])
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), target))


def _markdown(root: Path, pins: CorpusPins) -> Iterator[Document]:
    found = (path.relative_to(root).as_posix() for path in (root / "docs").rglob("*.md"))
    for path in sorted(found):
        folders = path.split("/")[:-1]

        def link(target: str, path: str = path) -> str:
            return f"{pins.corpus}:{_relative(path, target)}"

        def read(data: bytes, path: str = path) -> Page:
            return read_page(data, posixpath.basename(path).removesuffix(".md"))

        yield Document(
            id=f"{pins.corpus}:{path}",
            path=path,
            source=path,
            category="/".join(folders[:2]),
            tags=tuple(folders) if pins.tags == "folders" else (),
            read=read,
            link=link,
        )


def _modules(root: Path, pins: CorpusPins, repository: Repository, skips: SkipReport) -> Iterator[Document]:
    seen: set[str] = set()
    for path in _collections(root):
        try:
            book = read_collection(contents(root, path))
        except PageError as error:
            skips.add("", str(error), f"{repository.name}:{path}")
            continue
        if book.licence and _CC_BY not in book.licence:
            skips.add("", f"licence: {book.licence} is not CC BY", f"{repository.name}:{path}")
            continue
        yield from _of_book(book, pins, repository, seen)


def _of_book(
    book: Collection, pins: CorpusPins, repository: Repository, seen: set[str]
) -> Iterator[Document]:
    prefix = f"{pins.corpus}:{repository.book}/"
    for module, chapter in book.modules:
        if module in seen:
            continue
        seen.add(module)
        path = f"modules/{module}/index.cnxml"

        def read(data: bytes, chapter: str = chapter) -> Page:
            page = read_module(data)
            if page.title == "Introduction" and chapter:  # every chapter has one, so the title is ambiguous
                return replace(page, title=f"{chapter}: introduction")
            return page

        yield Document(
            id=prefix + module,
            path=path,
            source=f"{repository.name}:{path}",
            category=book.title,
            tags=(chapter,) if chapter else (),
            read=read,
            link=lambda target: prefix + target,
        )


def _collections(root: Path) -> list[str]:
    """Return the books that `META-INF/books.xml` names, else all collections."""
    try:
        named = [
            _relative("META-INF/books.xml", href) for href in read_books(contents(root, "META-INF/books.xml"))
        ]
    except PageError:
        named = []
    return named or sorted(
        f"collections/{path.name}" for path in (root / "collections").glob("*.collection.xml")
    )
