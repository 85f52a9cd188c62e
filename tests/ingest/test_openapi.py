"""The HTTP door keeps its own description, whatever is sent (cases from the description itself)."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

OPERATIONS = [
    ("post", "/v1/events"),
    ("post", "/v1/events:validate"),
    ("post", "/v1/webhooks/{party}"),
    ("get", "/v1/receipts/{message_id}"),
    ("post", "/v1/refusals:redrive"),
    ("get", "/v1/terms"),
    ("post", "/v1/extracts"),
    ("get", "/v1/me"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_one_that_the_description_promises(http: Any, method: str, path: str) -> None:
    app = http.client.app
    described = schemathesis.openapi.from_dict(app.openapi())
    described.app = app
    operation = described[path][method]
    chosen = http.auth()

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(), authorised=st.booleans())
    def every_case(case: Any, authorised: bool) -> None:
        headers = {**(case.headers or {}), **(chosen if authorised else {})}
        body = {} if not isinstance(case.body, dict | list) else {"json": case.body}
        answer = http.client.request(method.upper(), case.formatted_path, headers=_plain(headers), **body)
        promised = operation.definition.raw["responses"]
        assert str(answer.status_code) in {str(code) for code in promised}, answer.status_code
        kinds = promised[str(answer.status_code)].get("content", {})
        assert answer.headers["content-type"].split(";")[0] in kinds
        if answer.status_code >= 400:
            problem = answer.json()
            assert {"type", "title", "status", "reason", "errors"} <= set(problem)
            assert problem["status"] == answer.status_code

    every_case()


def _plain(headers: dict[str, Any]) -> dict[str, str]:
    """Headers that a client library lets through."""
    return {k: str(v) for k, v in headers.items() if str(v).isascii() and str(v).isprintable()}
