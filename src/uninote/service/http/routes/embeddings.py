"""Routes of embeddings, compatible with OpenAI's clients; nothing is stored."""

from __future__ import annotations

import base64

from fastapi import APIRouter

from uninote.service.app.embed_inputs import embed_inputs, usable_models
from uninote.service.concurrency.batcher import Vector
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Service
from uninote.service.http.errors import RESPONSES
from uninote.service.schemas.embeddings import (
    Embedding,
    EmbeddingAnswer,
    EmbeddingRequest,
    ModelCards,
    Usage,
)

router = APIRouter(tags=["embeddings"], responses=RESPONSES)


@router.post("/v1/embeddings", openapi_extra=needs("read"))
async def embed(body: EmbeddingRequest, service: Service) -> EmbeddingAnswer:
    """Embed inputs, as OpenAI's embeddings endpoint does. An input is a text, a content or a note.

    Inputs are encoded like stored notes: a note gets the vector that is stored. With `task` they are queries,
    and get the instruction of that task if the model was trained with instructions.
    """
    version, vectors, tokens = await embed_inputs(service, body)
    encoded = [_encoded(row, body.encoding_format) for row in vectors]
    data = [Embedding(index=number, embedding=one) for number, one in enumerate(encoded)]
    return EmbeddingAnswer(
        data=data, model=version, usage=Usage(prompt_tokens=sum(tokens), total_tokens=sum(tokens))
    )


@router.get("/v1/models", openapi_extra=needs("read"))
async def list_models(service: Service) -> ModelCards:
    """List the model versions that can be used, as OpenAI's models endpoint does."""
    return ModelCards(data=await usable_models(service))


def _encoded(row: Vector, form: str) -> list[float] | str:
    if form == "base64":
        return base64.b64encode(row.astype("<f4").tobytes()).decode()
    values: list[float] = row.tolist()
    return values
