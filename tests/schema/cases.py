"""Requests that schemathesis makes of an OpenAPI document, and what it says of the answers.

Operations are parametrised here and not by its plugin: that makes all cases of all operations while
pytest collects, in each process. The short run takes a fixed choice of them, the long one all and
many more, and other ones each time.
"""

import copy
from collections.abc import Callable
from typing import Any

import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.generation.hypothesis.builder import (
    HypothesisTestConfig,
    HypothesisTestMode,
    create_test,
)
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from counts import is_long

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
"""A failure of the server is looked for by whoever sends the request."""

CONFIG = {
    # The callers bring their own credentials.
    "generation": {"with-security-parameters": False},
    # What an answer held would make the next case another one than last time.
    "phases": {
        "examples": {"extra-data-sources": {"responses": False}},
        "coverage": {"extra-data-sources": {"responses": False}},
        "fuzzing": {
            "extra-data-sources": {"responses": False},
            "error-feedback": {"enabled": False},
        },
        "stateful": {"enabled": False},
    },
}

SHORT_COVERAGE, SHORT_EXAMPLES = 16, 6
LONG_EXAMPLES = 150


def read(document: dict[str, Any]) -> Any:
    """A document as schemathesis has it."""
    config = schemathesis.Config.from_dict(CONFIG)
    return schemathesis.openapi.from_dict(copy.deepcopy(document), config=config)


def operations(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Method and path of each operation."""
    return [
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
        if method != "parameters"
    ]


def try_out(
    schema: Any,
    method: str,
    path: str,
    look: Callable[[schemathesis.Case], None],
    *,
    coverage: int = SHORT_COVERAGE,
    examples: int = SHORT_EXAMPLES,
) -> None:
    """Have ``look`` send what is made of one operation: right, wrong and odd requests."""

    def look_at(case: schemathesis.Case) -> None:
        look(case)

    long = is_long()
    settings = hypothesis.settings(
        max_examples=LONG_EXAMPLES if long else examples,
        derandomize=not long,
        database=None,
        deadline=None,
        print_blob=long,
        phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if long else [])],
        suppress_health_check=list(HealthCheck),
    )
    test: Any = create_test(
        operation=schema[path][method],
        test_func=look_at,
        config=HypothesisTestConfig(
            project=schema.config,
            modes=[HypothesisTestMode.COVERAGE, HypothesisTestMode.FUZZING],
            explicit_settings=settings,
        ),
    )
    if not long:
        made = getattr(test, "hypothesis_explicit_examples", [])
        step = max(1, -(-len(made) // coverage))
        test.hypothesis_explicit_examples = made[::step]
    test()
