"""Vectors without storing anything, as OpenAI's clients ask for them."""

from __future__ import annotations

import base64

import numpy as np
from fastapi import APIRouter

from uninote.errors import ItemError, ModelError
from uninote.items import Item
from uninote.service.app.decode import item_of, note_of, together
from uninote.service.app.services import Runtime
from uninote.service.concurrency.batcher import Vector
from uninote.service.domain.gallery import versions
from uninote.service.errors import InvalidError, NotFoundError, TooLargeError
from uninote.service.http.errors import RESPONSES
from uninote.service.http.routes.dependencies import Service
from uninote.service.schemas.content import Content
from uninote.service.schemas.embeddings import (
    Embedding,
    EmbeddingAnswer,
    EmbeddingRequest,
    ModelCard,
    ModelCards,
    NoteInput,
    Usage,
)

ACTIVE = "uninote"

router = APIRouter(tags=["embeddings"], responses=RESPONSES)


@router.post("/v1/embeddings")
async def embed(body: EmbeddingRequest, service: Service) -> EmbeddingAnswer:
    """Compatible with OpenAI's embeddings endpoint. An input is a text, a content with pictures, or a note.

    Vectors are those of the corpus side: a note's equals the stored one.
    """
    from uninote.encoder.matryoshka import (  # brings torch, which the model has loaded
        check_dim,
        truncate_numpy,
    )

    inputs = body.inputs()
    if len(inputs) > service.options.max_batch:
        raise TooLargeError(f"a request takes {service.options.max_batch} inputs, not {len(inputs)}")
    active = await service.active()
    version = active if body.model == ACTIVE else body.model
    if version not in service.models.versions:
        raise NotFoundError(f"there is no model {version!r} here; `/v1/models` lists them")
    try:
        dim = check_dim(body.dimensions, service.models.get(version).dims)
    except ModelError as error:
        raise InvalidError(str(error)) from None
    items = await together([_item(service, number, one) for number, one in enumerate(inputs)])
    tokens: list[int] = []
    rows = await service.embed(items, version, tokens=tokens)
    vectors = [_vector(number, row) for number, row in enumerate(rows)]
    short = truncate_numpy(np.stack(vectors), dim)
    encoded = [_encoded(row, body.encoding_format) for row in short]
    data = [Embedding(index=number, embedding=one) for number, one in enumerate(encoded)]
    return EmbeddingAnswer(
        data=data, model=version, usage=Usage(prompt_tokens=sum(tokens), total_tokens=sum(tokens))
    )


@router.get("/v1/models")
async def list_models(service: Service) -> ModelCards:
    """The model versions that can be asked for, as OpenAI's clients list them."""
    known = await service.transaction(versions.listing)
    return ModelCards(
        data=[
            ModelCard(
                id=model.version,
                created=int(model.created.timestamp()),
                dimensions=list(service.models.get(model.version).dims),
            )
            for model in known
            if model.version in service.models.versions
        ]
    )


async def _item(service: Runtime, number: int, given: str | NoteInput | Content) -> Item:
    try:
        if isinstance(given, str):
            return Item.of(given)
        if isinstance(given, NoteInput):
            return (await note_of(service, "", given.note)).item()
        return await item_of(service, given)
    except (ItemError, InvalidError) as error:
        raise InvalidError(f"input.{number}: {error}") from error


def _vector(number: int, row: Vector | ItemError) -> Vector:
    if isinstance(row, ItemError):
        raise InvalidError(f"input.{number}: {row}")
    return row


def _encoded(row: Vector, form: str) -> list[float] | str:
    if form == "base64":
        return base64.b64encode(row.astype("<f4").tobytes()).decode()
    values: list[float] = row.tolist()
    return values
