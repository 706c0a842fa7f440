"""Types of fields that the schemas of several modules share."""

from typing import Annotated, Any

from pydantic import AfterValidator, StringConstraints, WithJsonSchema

from paifang.core.changes import MAX_NAME, PRINTABLE_PATTERN, as_name, as_search

MAX_SEARCH = 128

Name = Annotated[
    str,
    AfterValidator(as_name),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_NAME}),
]
"""A name: printable, without spaces around it."""
Search = Annotated[
    str,
    StringConstraints(max_length=MAX_SEARCH),
    AfterValidator(as_search),
    WithJsonSchema(
        {"type": "string", "minLength": 1, "maxLength": MAX_SEARCH, "pattern": PRINTABLE_PATTERN}
    ),
]
"""What a list is searched for, or an id that may or may not be there."""


def absent() -> Any:
    """The default of a field of an update that must not be null: never read when it is not sent,
    and kept out of the OpenAPI document.
    """
