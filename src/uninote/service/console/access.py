"""Which role each page and form needs. What is not in the table is refused."""

from __future__ import annotations

from uninote.service.http.access import Role

HOME = "/"
SIGN_IN = "/console/sign-in"
PICTURES = "/console/pictures/{digest}"

ACCESS: dict[tuple[str, str], Role] = {
    ("GET", SIGN_IN): "public",
    ("POST", SIGN_IN): "public",
    ("GET", "/console/static/{name}"): "public",
    ("POST", "/console/sign-out"): "read",
    ("GET", PICTURES): "read",
    # as `POST /v1/search` and `GET /v1/notes`
    ("GET", HOME): "read",
    ("POST", HOME): "read",
    ("GET", "/console/note"): "read",
    ("POST", "/console/note/forget"): "operate",
    # as `/v1/matches`
    ("GET", "/console/review"): "read",
    ("POST", "/console/review/{match_id}"): "operate",
    # as `/v1/explanations`
    ("GET", "/console/review/{match_id}/why"): "read",
    ("POST", "/console/why"): "read",
    # as `/v1/categories` and `/v1/samples`
    ("GET", "/console/gallery"): "read",
    ("POST", "/console/gallery"): "operate",
    ("POST", "/console/gallery/delete"): "operate",
    ("GET", "/console/samples"): "read",
    ("POST", "/console/samples"): "operate",
    ("POST", "/console/samples/{sample_id}"): "operate",
    ("POST", "/console/samples/{sample_id}/delete"): "operate",
    # as `/v1/thresholds` and `/v1/calibrations`
    ("GET", "/console/thresholds"): "read",
    ("POST", "/console/thresholds"): "operate",
    # as `/v1/jobs`
    ("GET", "/console/jobs"): "read",
    ("POST", "/console/jobs"): "operate",
    ("GET", "/console/jobs/{job_id}"): "read",
    ("GET", "/console/jobs/{job_id}/export"): "read",
    ("POST", "/console/jobs/{job_id}/cancel"): "operate",
    ("POST", "/console/jobs/{job_id}/resume"): "operate",
    # as `/v1/model-versions`
    ("GET", "/console/versions"): "read",
    ("GET", "/console/versions/comparison"): "read",
    ("POST", "/console/versions"): "admin",
    ("POST", "/console/versions/backfill"): "admin",
    ("POST", "/console/versions/switch"): "admin",
    ("POST", "/console/versions/roll-back"): "admin",
    ("POST", "/console/versions/retire"): "admin",
    # as `/health/ready` and `GET /v1/model-versions`
    ("GET", "/console/health"): "read",
}


def needed(method: str, pattern: str) -> Role | None:
    """The role that a page needs; None when nobody may see it."""
    return ACCESS.get(("GET" if method == "HEAD" else method, pattern))
