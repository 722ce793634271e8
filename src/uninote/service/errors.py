"""Errors of the service: each says what is wrong with the request and how to fix it.

The HTTP layer maps a class to a status.
"""

from __future__ import annotations

from uninote.errors import UniNoteError


class ServiceError(UniNoteError):
    """Base of the errors that a caller of the service can fix."""


class InvalidError(ServiceError):
    """A value is out of range or does not fit together (400, 422)."""


class NotFoundError(ServiceError):
    """Nothing is stored under that name (404)."""

    code = "not_found"


class ConflictError(ServiceError):
    """The request contradicts what is stored (409)."""

    code = "conflict"


class TakenError(ConflictError):
    """A new thing cannot have this name (409). name: what has it, or one that looks like it, already."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


class PreconditionError(ServiceError):
    """The condition that the request itself names does not hold (412)."""

    code = "precondition_failed"


class UnauthorizedError(ServiceError):
    """The key is missing, unknown or revoked (401)."""

    code = "unauthorized"


class ForbiddenError(ServiceError):
    """The key is valid, but its role is not enough (403)."""

    code = "forbidden"


class TooLargeError(ServiceError):
    """The request is longer than the service accepts (413)."""

    code = "too_large"


class UnsupportedError(ServiceError):
    """The content type, or the format of a picture or video, is not supported (415)."""

    code = "unsupported_media_type"


class BusyError(ServiceError):
    """A queue is full or a limit is reached (429). seconds: time after which to try again."""

    code = "busy"

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class UnavailableError(ServiceError):
    """The service is starting, stopping or broken (503)."""

    code = "unavailable"
