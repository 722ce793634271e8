"""Schemas of the embeddings endpoint, as in OpenAI's API; contents and notes are further inputs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from uninote.service.schemas.common import Answer, Name, Wire
from uninote.service.schemas.content import Body, Content, NoteContent

Text = Annotated[Body, Field(min_length=1)]


class NoteInput(Wire):
    note: NoteContent


Input = Text | NoteInput | Content


class EmbeddingRequest(Wire):
    input: Text | NoteInput | Content | Annotated[list[Input], Field(min_length=1, max_length=1000)]
    model: Name = Field("uninote", description="`uninote` for the active model version, or a version")
    dimensions: int | None = Field(None, ge=1, le=65_536, description="a trained one; default: the widest")
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
