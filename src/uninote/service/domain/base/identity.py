"""Identity of a caller: the API key without its secret."""

from __future__ import annotations

from dataclasses import dataclass

from uninote.service.roles import ROLES, Role


@dataclass(frozen=True)
class Identity:
    """A valid API key. Its prefix names it in logs and in the audit log."""

    prefix: str
    name: str
    role: Role

    @property
    def actor(self) -> str:
        return f"key:{self.prefix}"


def allows(role: Role, needed: Role) -> bool:
    """Return whether `role` has all rights of the role `needed`."""
    return ROLES.index(role) >= ROLES.index(needed)
