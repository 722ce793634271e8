"""Schemas of the embeddings endpoint, as in OpenAI's API; contents and notes are further inputs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from uninote.service.schemas.common import Answer, Name, Wire
from uninote.service.schemas.content import Body, Content, NoteContent
from uninote.tasks.definitions import Task

Text = Annotated[Body, Field(min_length=1)]


MOST = 2048
"""Inputs of one request in OpenAI's API; `service.max_batch` allows fewer."""


class NoteInput(Wire):
    note: NoteContent


def _shape(given: object) -> str | None:
    """Return which kind of input a value is meant to be."""
    if isinstance(given, str):
        return "text"
    if isinstance(given, NoteInput) or (isinstance(given, dict) and "note" in given):
        return "note"
    if isinstance(given, Content | dict):
        return "content"
    return "list" if isinstance(given, list) else None


def _no_tokens(given: object) -> object:
    """Refuse token ids, which some clients send instead of a text: they are of another model's vocabulary."""
    first = given[0] if isinstance(given, list) and given else None
    first = first[0] if isinstance(first, list) and first else first
    if isinstance(first, int) and not isinstance(first, bool):
        raise ValueError("must be text, not token ids; with LangChain, set check_embedding_ctx_length=False")
    return given


_One = Annotated[Text, Tag("text")] | Annotated[NoteInput, Tag("note")] | Annotated[Content, Tag("content")]
_INPUT = "must be a text, an object with text or pictures, or an object with note"
Input = Annotated[
    _One,
    Discriminator(_shape, custom_error_type="input", custom_error_message=_INPUT),
]
Inputs = Annotated[list[Input], Field(min_length=1, max_length=MOST), Tag("list")]


class EmbeddingRequest(Wire):
    input: Annotated[
        _One | Inputs,
        Discriminator(
            _shape, custom_error_type="input", custom_error_message=f"{_INPUT}, or a list of these"
        ),
        BeforeValidator(_no_tokens),
    ]
    model: Name = Field("uninote", description="`uninote` for the active model version, or a version")
    dimensions: int | None = Field(None, ge=1, le=65_536, description="a trained one; default: the widest")
    task: Task | None = Field(
        None, description="embed as queries of this task; null: as what is stored and found"
    )
    encoding_format: Literal["float", "base64"] = Field("float", description="base64: float32, little-endian")
    user: str | None = Field(None, max_length=256, description="taken for compatibility, not used")

    def inputs(self) -> list[str | NoteInput | Content]:
        return self.input if isinstance(self.input, list) else [self.input]


class Embedding(Answer):
    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str = Field(description="unit length")


class Usage(Answer):
    prompt_tokens: int
    total_tokens: int


class EmbeddingAnswer(Answer):
    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str = Field(description="the model version")
    usage: Usage


class ModelCard(Answer):
    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="seconds since 1970")
    owned_by: str = "uninote"
    dimensions: list[int] = Field(description="trained Matryoshka dimensions")


class ModelCards(Answer):
    object: Literal["list"] = "list"
    data: list[ModelCard]
