"""Types of fields that the schemas of several features share."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from paifang.modules.gateway.changes import MAX_CONCURRENCY, MAX_NANOS, MAX_RPM, MAX_TPM
from paifang.modules.gateway.money import money_nanos, money_text


def _nanos(value: Any) -> int:
    if not isinstance(value, str):
        raise ValueError('write the amount as a string, for example "0.15"')
    return money_nanos(value)


MoneyIn = Annotated[
    int,
    BeforeValidator(_nanos),
    Field(ge=0, le=MAX_NANOS),
    WithJsonSchema(
        {"type": "string", "pattern": r"^[0-9]{1,10}(\.[0-9]{1,9})?$", "examples": ["0.15"]}
    ),
]
"""Nanos, read from decimal text in the metering currency."""
MoneyOut = Annotated[int, PlainSerializer(money_text, return_type=str)]
"""Nanos, shown as decimal text in the metering currency: JavaScript reads no larger integers
than 2**53 exactly, and nobody reads nanos.
"""
Rpm = Annotated[
    int, Field(strict=True, ge=1, le=MAX_RPM, description="Requests per minute; null: no limit.")
]
Tpm = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=MAX_TPM,
        description="Model tokens per minute, in and out; null: no limit.",
    ),
]
Concurrency = Annotated[
    int,
    Field(strict=True, ge=1, le=MAX_CONCURRENCY, description="Calls in flight; null: no limit."),
]


def absent() -> Any:
    """The default of a field of an update that must not be null: never read when it is not sent,
    and kept out of the OpenAPI document.
    """
