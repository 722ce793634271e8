"""Who may call what: one table over method and route pattern. What is not in it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["public", "read", "ingest", "operate", "admin"]

ACCESS: dict[tuple[str, str], Role] = {
    ("GET", "/health/live"): "public",
    ("GET", "/health/ready"): "public",
    ("GET", "/metrics"): "read",
    ("GET", "/openapi.json"): "read",
    # what platforms call
    ("POST", "/v1/notes"): "ingest",
    ("POST", "/v1/notes/batch"): "ingest",
    ("GET", "/v1/notes/{note_id:path}"): "read",
    ("DELETE", "/v1/notes/{note_id:path}"): "operate",
    ("POST", "/v1/match"): "read",
    ("POST", "/v1/search"): "read",
    ("POST", "/v1/explanations"): "read",
    ("POST", "/v1/embeddings"): "read",
    ("GET", "/v1/models"): "read",
    ("GET", "/v1/pictures/{digest}"): "read",
    # what operators call
    ("GET", "/v1/categories"): "read",
    ("PUT", "/v1/categories/{name:path}"): "operate",
    ("DELETE", "/v1/categories/{name:path}"): "operate",
    ("GET", "/v1/samples"): "read",
    ("POST", "/v1/samples"): "operate",
    ("PATCH", "/v1/samples/{sample_id}"): "operate",
    ("DELETE", "/v1/samples/{sample_id}"): "operate",
    ("GET", "/v1/thresholds"): "read",
    ("PUT", "/v1/thresholds"): "operate",
    ("POST", "/v1/calibrations"): "read",
    ("GET", "/v1/matches"): "read",
    ("GET", "/v1/matches/{match_id}/explanation"): "read",
    ("POST", "/v1/matches/{match_id}/verdict"): "operate",
    ("GET", "/v1/reviews/quality"): "read",
    ("GET", "/v1/reviews/export"): "operate",
    ("GET", "/v1/jobs"): "read",
    ("POST", "/v1/jobs"): "operate",
    ("GET", "/v1/jobs/{job_id}"): "read",
    ("POST", "/v1/jobs/{job_id}/cancel"): "operate",
    ("POST", "/v1/jobs/{job_id}/resume"): "operate",
    ("GET", "/v1/jobs/{job_id}/hits"): "read",
    ("GET", "/v1/jobs/{job_id}/export"): "read",
    # what administrators call
    ("GET", "/v1/model-versions"): "read",
    ("POST", "/v1/model-versions"): "admin",
    ("POST", "/v1/model-versions/roll-back"): "admin",
    ("POST", "/v1/model-versions/{version}/backfill"): "admin",
    ("POST", "/v1/model-versions/{version}/switch"): "admin",
    ("DELETE", "/v1/model-versions/{version}"): "admin",
    ("GET", "/v1/model-versions/comparison"): "read",
    ("GET", "/v1/keys"): "admin",
    ("POST", "/v1/keys"): "admin",
    ("DELETE", "/v1/keys/{prefix}"): "admin",
    ("GET", "/v1/audit"): "admin",
}


@dataclass(frozen=True)
class Identity:
    """Who calls: the key's prefix names it in the audit log."""

    prefix: str
    name: str
    role: str

    @property
    def actor(self) -> str:
        return f"key:{self.prefix}"


def needed(method: str, pattern: str) -> Role | None:
    """The role that a route needs; None when nobody may call it."""
    return ACCESS.get(("GET" if method == "HEAD" else method, pattern))
