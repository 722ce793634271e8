"""Use case of the audit log: its entries, page by page."""

from __future__ import annotations

from uninote.service.app.services import Services
from uninote.service.domain.base import audit
from uninote.service.schemas.keys import AuditEntry


async def listing(
    services: Services,
    *,
    note_id: str | None = None,
    subject: str | None = None,
    action: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[AuditEntry]:
    """Return entries, the newest first; `note_id` selects a note, even a forgotten one.

    before: id of the last entry of the previous page.
    """
    wanted = audit.note_subject(note_id) if note_id is not None else subject
    found = await services.transaction(
        lambda session: audit.entries(session, subject=wanted, action=action, before=before, limit=limit)
    )
    return [AuditEntry.model_validate(row) for row in found]
