"""Types of fields that the schemas of several features share."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from paifang.core.fields import Name, Search, absent
from paifang.modules.gateway.changes import (
    GROUP_ID_PATTERN,
    MAX_CONCURRENCY,
    MAX_MODEL,
    MAX_NANOS,
    MAX_RPM,
    MAX_TPM,
    as_group_id,
    as_model,
)
from paifang.modules.gateway.money import money_nanos, money_text

__all__ = [
    "Concurrency",
    "GroupId",
    "Mine",
    "ModelName",
    "MoneyIn",
    "MoneyOut",
    "Name",
    "Rpm",
    "Search",
    "Tpm",
    "absent",
]


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
GroupId = Annotated[
    str,
    AfterValidator(as_group_id),
    WithJsonSchema({"type": "string", "pattern": GROUP_ID_PATTERN}),
]
"""An id of a group, checked when one is made."""
ModelName = Annotated[
    str,
    AfterValidator(as_model),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_MODEL}),
]
"""A name of a model, ours or an upstream's."""
Mine = Annotated[
    bool,
    Field(
        description="Only what the caller sees as a member of groups, and nothing that their roles "
        "show beside it."
    ),
]
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
