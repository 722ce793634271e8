"""Shared types of the schemas: texts that the database can store, ids in its range, paging."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from uninote.corpus.records import storable
from uninote.problems import Shape

MAX_ID = 2**63 - 1
_NO_NUL = Shape(r"^[^\x00]+$", "must not contain the character NUL")
_NO_NUL_OR_EMPTY = Shape(r"^[^\x00]*$", _NO_NUL.words)


class Wire(BaseModel):
    """A request: unknown fields, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Answer(BaseModel):
    """A response."""

    model_config = ConfigDict(from_attributes=True)


class Page(Answer):
    """A response that lists a part of what is stored."""

    more: bool = Field(False, description="whether others follow: ask for the page after the last one")


Words = Annotated[str, AfterValidator(storable)]
"""Free text."""
Name = Annotated[str, Field(min_length=1, max_length=256), _NO_NUL]
NoteId = Annotated[str, Field(min_length=1, max_length=512), _NO_NUL]
RowId = Annotated[int, Field(ge=1, le=MAX_ID)]
Cosine = Annotated[float, Field(ge=-1, le=1)]

NoteIdPath = Annotated[str, Path(min_length=1, max_length=512), _NO_NUL]
NamePath = Annotated[str, Path(min_length=1, max_length=256), _NO_NUL]
RowIdPath = Annotated[int, Path(ge=1, le=MAX_ID)]
KeyPrefix = Annotated[str, Path(), Shape("^[0-9a-f]{12}$", "must be 12 digits and letters from a to f")]
Digest = Annotated[str, Path(), Shape("^[0-9a-f]{64}$", "must be 64 digits and letters from a to f")]

NameQuery = Annotated[Annotated[str, _NO_NUL] | None, Query(min_length=1, max_length=256)]
RequiredName = Annotated[str, Query(min_length=1, max_length=256), _NO_NUL]
RequiredNoteId = Annotated[str, Query(min_length=1, max_length=512), _NO_NUL]
Choice = Annotated[str, Query(max_length=256), _NO_NUL_OR_EMPTY]
"""A field of a form: empty when nothing was chosen."""
NoteIdQuery = Annotated[Annotated[str, _NO_NUL] | None, Query(min_length=1, max_length=512)]
Before = Annotated[int | None, Query(ge=1, le=MAX_ID, description="the last id of the page before")]
After = Annotated[int, Query(ge=0, le=MAX_ID, description="the last id of the page before")]
AfterNote = Annotated[
    str, Query(max_length=512, description="the last hit of the page before"), _NO_NUL_OR_EMPTY
]
AfterSample = Annotated[int, Query(ge=0, le=MAX_ID)]
Limit = Annotated[int, Query(ge=1, le=1000)]
