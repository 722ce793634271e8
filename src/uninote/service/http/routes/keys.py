"""Routes of administration: API keys and the audit log."""

from __future__ import annotations

from fastapi import APIRouter

from uninote.service.app import audit_log, keys
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Caller, Service
from uninote.service.http.errors import RESPONSES
from uninote.service.schemas.common import Before, KeyPrefix, Limit, NameQuery, NoteIdQuery
from uninote.service.schemas.keys import AuditEntries, Key, KeyList, NewKey, NewKeyAnswer

router = APIRouter(tags=["administration"], responses=RESPONSES)


@router.get("/v1/keys", openapi_extra=needs("admin"))
async def list_keys(service: Service) -> KeyList:
    """List all keys, the newest first, without their secrets."""
    return KeyList(keys=await keys.listing(service))


@router.post("/v1/keys", openapi_extra=needs("admin"))
async def create_key(body: NewKey, service: Service, caller: Caller) -> NewKeyAnswer:
    """Create a key. Its text is in this answer only."""
    return await keys.create(service, body, caller.actor)


@router.delete("/v1/keys/{prefix}", openapi_extra=needs("admin"))
async def revoke_key(prefix: KeyPrefix, service: Service, caller: Caller) -> Key:
    """Revoke a key: here at once, on other replicas within a second. Repeating it has no effect."""
    return await keys.revoke(service, prefix, caller.actor)


@router.get("/v1/audit", openapi_extra=needs("admin"))
async def read_audit(
    service: Service,
    note_id: NoteIdQuery = None,
    subject: NameQuery = None,
    action: NameQuery = None,
    before: Before = None,
    limit: Limit = 100,
) -> AuditEntries:
    """List entries of the audit log, the newest first. `note_id` selects a note, even a forgotten one."""
    entries = await audit_log.listing(
        service, note_id=note_id, subject=subject, action=action, before=before, limit=limit + 1
    )
    return AuditEntries(entries=entries[:limit], more=len(entries) > limit)
