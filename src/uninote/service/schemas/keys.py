"""Schemas of API keys and the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from uninote.service.roles import Role
from uninote.service.schemas.common import Answer, Name, Page, Wire


class NewKey(Wire):
    name: Name = Field(description="tells keys apart; shown in lists")
    role: Role = Field(description="each role may do what the ones before it may")


class Key(Answer):
    prefix: str = Field(description="the first part of the key; names it in logs and in the audit log")
    name: str
    role: Role
    created: datetime
    revoked: datetime | None


class NewKeyAnswer(Key):
    key: str = Field(description="send it as `Authorization: Bearer`; it is not shown again")


class KeyList(Answer):
    keys: list[Key]


class AuditEntry(Answer):
    id: int
    at: datetime
    actor: str
    action: str
    subject: str = Field(description="notes are named by the hash of their id")
    details: dict[str, Any]


class AuditEntries(Page):
    entries: list[AuditEntry]
