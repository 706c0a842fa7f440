"""Types of fields that the schemas of access share."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

Status = Literal["enabled", "disabled"]
Code = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$"),
    Field(description="Unique; small letters, digits, `_`, `.` and `-`. It stays."),
]
Sort = Annotated[int, Field(strict=True, ge=-1_000_000, le=1_000_000)]
"""Among its siblings, ascending."""
Description = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=255, pattern=r"^[^\x00]*$")
]
