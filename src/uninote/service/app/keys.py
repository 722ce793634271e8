"""Use cases of API keys: listing, creation, revocation, and verification for the console."""

from __future__ import annotations

from uninote.service.app.services import Services
from uninote.service.db.gallery_tables import ApiKey
from uninote.service.domain.base import keys
from uninote.service.schemas.keys import Key, NewKey, NewKeyAnswer


async def listing(services: Services) -> list[Key]:
    """Return all keys, the newest first."""
    return [Key.model_validate(key) for key in await services.transaction(keys.listing)]


async def create(services: Services, given: NewKey, actor: str) -> NewKeyAnswer:
    """Create a key; its text is in this answer only. Raises InvalidError."""
    key, text = await services.transaction(
        lambda session: keys.create(session, given.name, given.role, actor)
    )
    services.log.info("key created", prefix=key.prefix, role=key.role, by=actor)
    return NewKeyAnswer(**Key.model_validate(key).model_dump(), key=text)


async def revoke(services: Services, prefix: str, actor: str) -> Key:
    """Revoke a key: here at once, on other replicas within a second. Raises NotFoundError."""
    key = await services.transaction(lambda session: keys.revoke(session, prefix, actor))
    services.group_commit.revoked()
    services.log.info("key revoked", prefix=key.prefix, by=actor)
    return Key.model_validate(key)


async def verified(services: Services, text: str) -> ApiKey:
    """Return the key of that text. Raises UnauthorizedError when it is unknown or revoked."""
    return await services.transaction(lambda s: keys.known(s, keys.verify(s, text).prefix))


async def known(services: Services, prefix: str) -> ApiKey:
    """Return the key of a signed-in caller by its prefix. Raises UnauthorizedError when it is revoked."""
    return await services.transaction(lambda session: keys.known(session, prefix))
