"""Requests made from the OpenAPI document, good and bad ones, and what their answers break."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@dataclass
class Report:
    """Answers by operation and status, and what was broken."""

    statuses: Counter[int] = field(default_factory=Counter)
    by_operation: dict[str, Counter[int]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def server_errors(self) -> int:
        return sum(count for status, count in self.statuses.items() if status >= 500)


def fuzz(document: dict[str, Any], url: str, key: str, examples: int, number: int = 0) -> Report:
    """Send `examples` valid and as many invalid requests for every operation."""
    report = Report()
    headers = {"Authorization": f"Bearer {key}"}
    with requests.Session() as session:

        def send(case: Case) -> None:
            label = case.operation.label
            response = case.call(base_url=url, headers=headers, session=session, timeout=60)
            report.statuses[response.status_code] += 1
            report.by_operation.setdefault(label, Counter())[response.status_code] += 1
            try:
                case.validate_response(response, checks=CHECKS)
            except (Failure, FailureGroup) as error:
                inner = getattr(error, "exceptions", [error])
                report.failures.append(f"{label}: {'; '.join(map(str, inner))}"[:2000])

        options = settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )
        for found in schemathesis.openapi.from_dict(document).get_all_operations():
            operation = found.ok()
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                attempt = seed(number)(options(given(operation.as_strategy(generation_mode=mode))(send)))
                try:
                    attempt()
                except Unsatisfiable:  # nothing of this operation can be made wrong
                    continue
    return report
