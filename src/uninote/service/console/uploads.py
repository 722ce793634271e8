"""Uploaded files: recognised by their content, each checked by itself, the bad ones named."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.datastructures import FormData, UploadFile

from uninote.corpus.formats import CONTAINERS, VIDEO, format_of
from uninote.service.app.search_inputs import Content
from uninote.service.app.services import Services
from uninote.service.console import pages
from uninote.service.console.asked import encoded
from uninote.service.errors import InvalidError, TooLargeError, UnsupportedError
from uninote.service.media.decode import frames_of, picture_of

NAME_CHARS = 100


@dataclass
class Uploads:
    """Usable files, and a sentence on each of the others. The last video is the one that is used."""

    contents: list[Content] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def media(self) -> dict[str, Any]:
        """The files as the fields `pictures` and `video` of the API."""
        pictures = [encoded(one.data) for one in self.contents if one.kind == "picture"]
        videos = [encoded(one.data) for one in self.contents if one.kind == "video"]
        return {"pictures": pictures} | ({"video": videos[0]} if videos else {})


def limits(services: Services) -> dict[str, int]:
    """Return the largest picture, video and request in bytes, which pages check before an upload."""
    options = services.options
    picture = services.corpus.max_picture_bytes
    return {"picture": picture, "video": options.max_video_bytes, "body": options.max_body_bytes}


async def uploads(services: Services, form: FormData) -> Uploads:
    """Read the files of a form. Raises BusyError."""
    found = Uploads()
    for file in form.getlist("files"):
        if not isinstance(file, UploadFile):
            continue
        data = await file.read()
        name = (file.filename or "").strip()[:NAME_CHARS]
        if not name and not data:
            continue  # what browsers send for a field without a file
        try:
            content = await services.media_executor.run(
                partial(_checked, services, data, name or "without a name")
            )
            if content.kind == "video" and any(one.kind == "video" for one in found.contents):
                raise InvalidError(f"{name}: one video at a time")
            found.contents.append(content)
        except (InvalidError, TooLargeError, UnsupportedError) as error:
            found.problems.append(pages.sentence(str(error)))
    return found


def _checked(services: Services, data: bytes, name: str) -> Content:
    """Return a file with its kind, recognised by its content. Raises InvalidError and its like."""
    corpus, cap = services.corpus, services.options.max_video_bytes
    if not data:
        raise InvalidError(f"file {name} is empty (0 bytes)")
    if format_of(data) == VIDEO:
        frames_of(data, corpus, 1, cap, name=name)
        return Content("video", data)
    try:
        picture_of(data, corpus, name=name)
    except UnsupportedError as error:
        raise UnsupportedError(f"{error}. Videos that are taken: {CONTAINERS}.") from None
    return Content("picture", data)
