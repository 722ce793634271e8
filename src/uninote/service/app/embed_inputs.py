"""Embedding of inputs without storing them, and the models that can do so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uninote.encoder.bad_rows import bad_rows
from uninote.errors import ModelError
from uninote.items import Item
from uninote.service.app.decode import at, item_of, note_of, together
from uninote.service.app.services import Services
from uninote.service.domain.gallery import versions
from uninote.service.errors import InvalidError, NotFoundError, TooLargeError
from uninote.service.schemas.content import Content
from uninote.service.schemas.embeddings import EmbeddingRequest, ModelCard, NoteInput

ACTIVE = "uninote"  # model name of the active version


async def embed_inputs(
    services: Services, request: EmbeddingRequest
) -> tuple[str, NDArray[np.float32], list[int]]:
    """Return the model version, unit vectors float32 [n, dim], and the tokens of each input.

    Raises TooLargeError, NotFoundError for an unknown model, InvalidError for a bad input or dimension.
    """
    from uninote.encoder.matryoshka import (  # imports torch, which loading a model has imported already
        check_dim,
        truncate_numpy,
    )

    inputs = request.inputs()
    if len(inputs) > services.options.max_batch:
        raise TooLargeError(
            f"a request takes at most {services.options.max_batch} inputs, not {len(inputs)}: send fewer "
            "(LangChain: chunk_size, LlamaIndex: embed_batch_size), or raise service.max_batch"
        )
    active = await services.model_sync.active()
    version = active if request.model == ACTIVE else request.model
    if version not in services.models.versions:
        raise NotFoundError(f"there is no model {version!r} here; `/v1/models` lists them")
    try:
        dim = check_dim(request.dimensions, services.models.get(version).dims)
    except ModelError as error:
        raise InvalidError(str(error)) from None
    items = await together([_item(services, number, one) for number, one in enumerate(inputs)])
    tokens: list[int] = []
    vectors = truncate_numpy(
        await services.embedding.embed(items, version, request.task, tokens=tokens, field="input"), dim
    )
    for number, fault in bad_rows(vectors).items():  # a prefix without direction
        raise InvalidError(f"input.{number}: {fault}")
    return version, vectors, tokens


async def usable_models(services: Services) -> list[ModelCard]:
    """Return the model versions that this process has loaded."""
    return [
        ModelCard(
            id=model.version,
            created=int(model.created.timestamp()),
            dimensions=list(services.models.get(model.version).dims),
        )
        for model in await services.transaction(versions.listing)
        if model.version in services.models.versions
    ]


async def _item(services: Services, number: int, given: str | NoteInput | Content) -> Item:
    with at(f"input.{number}"):
        if isinstance(given, str):
            return Item.of(given)
        if isinstance(given, NoteInput):
            return (await note_of(services, "", given.note)).item()
        return await item_of(services, given)
