"""Every operation of the API, tried out: what it answers is what its document says it may.

Never a failure of the server, no status, type or shape of an answer that the document does not
have, and the security headers on each of them; whatever is sent, and whoever sends it. Nothing is
left out. Of a stream that has no end the first piece is looked at.
"""

import functools
import json
from typing import Any

import pytest

from counts import count
from docs.markdown import ROOT
from schema.cases import operations, read, try_out
from schema.house import CALLERS, WALKED, House
from schema.odd import BODIES, KINDS, TEXTS, altered, chosen

DOCUMENT = json.loads((ROOT / "docs" / "reference" / "openapi.json").read_text())
"""A test elsewhere holds it against the code."""

each = pytest.mark.parametrize(
    ("method", "path"), operations(DOCUMENT), ids=[f"{m} {p}" for m, p in operations(DOCUMENT)]
)


@functools.cache
def schema() -> Any:
    """The document as schemathesis has it; reading it takes a while."""
    return read(DOCUMENT)


@each
def test_an_operation_answers_as_its_document_says(method: str, path: str, house: House) -> None:
    try_out(schema(), method, path, house.look)


@each
def test_an_operation_bears_one_odd_value(method: str, path: str, house: House) -> None:
    """In a call that is else right: in its body, in its path, in each parameter."""
    walked = WALKED[method, path]
    operation = DOCUMENT["paths"][path][method.lower()]
    made = house.runner.run(house.example(walked))
    changes: list[dict[str, Any]] = []
    if made.json is not None:
        changes += [{"json": each} for each in chosen(list(altered(made.json)), count(24, 5000))]
    if "requestBody" in operation:
        bodies = [{"content": body} for body in BODIES]
        bodies += [{"headers": {"content-type": kind}} for kind in KINDS]
        changes += chosen(bodies, count(9, 100))
    for parameter in operation.get("parameters", []):
        where, name = parameter["in"], parameter["name"]
        if where in {"path", "query"}:
            texts = [text for text in TEXTS if "\ud800" not in text]
            if where == "path":  # without those that make another path of it
                texts = [text.replace("%", "%25") for text in texts if text and "/" not in text]
            changes += chosen([{where: {name: text}} for text in texts], count(4, 100))
    documented = set(operation["responses"])
    for change in changes:
        for who in CALLERS if "json" not in change else CALLERS[-1:]:
            try:
                answer = house.call(who, walked, **change)
                assert str(answer.status_code) in documented, answer.content
            except AssertionError as failure:
                failure.add_note(f"as {who} with {str(change)[:300]}")
                raise
