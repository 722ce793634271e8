"""Picture files of a downloaded data set: extracted, or in tar and zip archives that are read as streams."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath

from uninote.corpora.pictures import CAPS, Converted, convert, convert_bytes
from uninote.corpus.paths import resolve_inside
from uninote.corpus.skips import SkipReport
from uninote.errors import PictureError, reason_of
from uninote.progress import Step

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
_BROKEN = (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error, RuntimeError)
"""Errors of damaged archives; zipfile raises RuntimeError for an encrypted member."""

Member = tuple[str, Callable[[], bytes]]
"""Path of a member, and the function that reads it."""


class PictureFiles:
    """Pictures under `folder` by their name, a path such as `part_7/123/45.jpg`.

    Such a picture is a file of that path in `folder` or `folder`/image, or a member of an archive in `folder`
    or in a folder of it. The archive's own name may take the place of the first folder: `123/45.jpg` in
    `part_7.zip`.

    Attributes:
        parts: first folders of the names of which there are pictures, e.g. `part_7`.
    """

    def __init__(self, folder: Path, skips: SkipReport) -> None:
        """Index the archives; one that cannot be read is reported in `skips`, as far as it is broken."""
        self._roots = [folder, folder / "image"]
        self._skips = skips
        self._archive_of: dict[str, Path] = {}
        files = (*folder.glob("*"), *folder.glob("*/*"))  # not deeper: there are millions of pictures
        for archive in sorted(p for p in files if p.name.endswith(SUFFIXES) and p.is_file()):
            for name, _ in self._members(archive):
                self._archive_of.setdefault(name, archive)
        self.parts = {name.partition("/")[0] for name in self._archive_of}
        self.parts |= {p.name for root in self._roots if root.is_dir() for p in root.iterdir() if p.is_dir()}

    def has(self, name: str) -> bool:
        return name in self._archive_of or self._root_of(name) is not None

    def convert(
        self, names: Iterable[str], out: Path, bar: Step
    ) -> Iterator[tuple[str, Converted | PictureError]]:
        """Yield each picture of `names`, which `has` holds for: its converted file under `out`, or its error.

        Each archive is read once, from its beginning to its end.
        """
        in_archives: dict[Path, set[str]] = defaultdict(set)
        for name in names:
            if name in self._archive_of:
                in_archives[self._archive_of[name]].add(name)
            else:
                yield name, _tried(partial(convert, self._root_of(name) or self._roots[0], name, out))
                bar.advance()
        for archive, wanted in in_archives.items():
            for name, read in self._members(archive):
                if name in wanted:
                    wanted.remove(name)
                    yield name, _tried(partial(_convert_member, read, name, out))
                    bar.advance()
            for name in wanted:
                yield name, PictureError(f"picture {name} cannot be read: {archive.name} is broken")

    def _root_of(self, name: str) -> Path | None:
        for root in self._roots:
            with suppress(PictureError):
                if resolve_inside(root, name).is_file():
                    return root
        return None

    def _members(self, archive: Path) -> Iterator[Member]:
        read = _of_zip if archive.suffix == ".zip" else _of_tar
        top = archive.name.partition(".")[0]
        try:
            for path, content in read(archive):
                name = name_of(path)
                yield (name if name.startswith(f"{top}/") else f"{top}/{name}"), content
        except _BROKEN as error:
            self._skips.add("", f"broken archive: {reason_of(error)}", archive.name)


def name_of(path: str) -> str:
    """Return the name of a picture: its path without `./` and without the folder `image` it begins with."""
    return str(PurePosixPath(path)).removeprefix("image/")


def _convert_member(read: Callable[[], bytes], name: str, out: Path) -> Converted:
    return convert_bytes(read(), name, out)


def _tried(make: Callable[[], Converted]) -> Converted | PictureError:
    try:
        return make()
    except PictureError as error:
        return error
    except _BROKEN as error:
        return PictureError(f"the picture cannot be read: {reason_of(error)}")


def _of_zip(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            if not member.is_dir() and member.file_size <= CAPS.max_picture_bytes:
                yield member.filename, partial(opened.read, member)


def _of_tar(archive: Path) -> Iterator[Member]:
    with tarfile.open(archive, "r|*") as opened:
        for member in opened:
            if member.isreg() and member.size <= CAPS.max_picture_bytes:
                yield member.name, partial(_content, opened, member)


def _content(opened: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = opened.extractfile(member)
    return file.read() if file else b""
