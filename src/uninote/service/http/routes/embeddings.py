"""Routes of embeddings, compatible with OpenAI's clients; nothing is stored."""

from __future__ import annotations

import base64

from fastapi import APIRouter

from uninote.service.app.embed_inputs import embed_inputs
from uninote.service.concurrency.batcher import Vector
from uninote.service.domain.gallery import versions
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Service
from uninote.service.http.errors import RESPONSES
from uninote.service.schemas.embeddings import (
    Embedding,
    EmbeddingAnswer,
    EmbeddingRequest,
    ModelCard,
    ModelCards,
    Usage,
)

router = APIRouter(tags=["embeddings"], responses=RESPONSES)


@router.post("/v1/embeddings", openapi_extra=needs("read"))
async def embed(body: EmbeddingRequest, service: Service) -> EmbeddingAnswer:
    """Embed inputs, as OpenAI's embeddings endpoint does. An input is a text, a content or a note.

    Inputs are encoded like stored notes, without a query instruction: a note gets the vector that is stored.
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


def _encoded(row: Vector, form: str) -> list[float] | str:
    if form == "base64":
        return base64.b64encode(row.astype("<f4").tobytes()).decode()
    values: list[float] = row.tolist()
    return values
