"""How services check and apply changes: the same rules for HTTP, commands and other APIs."""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from paifang.core.db import Base, utc_now
from paifang.core.errors import Invalid

PRINTABLE_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]+$"
"""For what is searched: PostgreSQL takes no NUL."""
MAX_NAME = 64


class Check:
    """Collects what is wrong, so that a refusal names every field at once.

    Each method returns the value as it is stored; when the value is wrong, what it returns is
    never used, because :meth:`done` raises.
    """

    def __init__(self) -> None:
        self.errors: list[dict[str, str]] = []

    def wrong(self, field: str, message: str) -> None:
        """Note that a field is wrong."""
        self.errors.append({"field": field, "message": message})

    def done(self) -> None:
        """Raise :class:`~paifang.core.errors.Invalid` when anything was wrong."""
        if self.errors:
            first = self.errors[0]
            raise Invalid(f"{first['field']}: {first['message']}", errors=self.errors)

    def name(self, value: str, field: str = "name", longest: int = MAX_NAME) -> str:
        """A name: printable, without spaces around it."""
        return self.follows(lambda text: as_name(text, longest), value, field)

    def choice(self, field: str, value: str, allowed: Collection[str]) -> str:
        """One of a few words."""
        if value not in allowed:
            self.wrong(field, f"use one of: {', '.join(allowed)}")
        return value

    def whole(self, field: str, value: int | None, least: int, most: int) -> int | None:
        """A whole number in a range; None where there is no ceiling."""
        if value is not None and (isinstance(value, bool) or not least <= value <= most):
            self.wrong(field, f"use a whole number from {least} to {most}, or null for no limit")
        return value

    def follows(self, rule: Callable[[str], str], value: str, field: str) -> str:
        """A value as a rule stores it; the rule raises ValueError with what is wrong."""
        try:
            return rule(value)
        except ValueError as error:
            self.wrong(field, str(error))
            return value

    def future(self, field: str, value: datetime | None) -> datetime | None:
        """A moment to come, in UTC; None for never."""
        if value is None:
            return None
        if value.tzinfo is None:
            self.wrong(field, "add a time zone, for example a Z at the end")
            return None
        try:
            value = value.astimezone(UTC)
        except OverflowError:
            self.wrong(field, "the year is too far away")
            return None
        if value <= utc_now():
            self.wrong(field, "must be in the future")
        return value


def as_name(value: str, longest: int = MAX_NAME) -> str:
    """A name as it is stored: printable, without spaces around it.

    Raises:
        ValueError: it can't be one.
    """
    value = value.strip()
    if not 1 <= len(value) <= longest or not value.isprintable():
        raise ValueError(f"use 1 to {longest} printable characters")
    return value


def as_search(value: str) -> str:
    """What is searched for.

    Raises:
        ValueError: PostgreSQL would refuse it, or nothing can be called so.
    """
    if not re.fullmatch(PRINTABLE_PATTERN, value):
        raise ValueError("use printable characters")
    return value


def apply_changes(row: Base, values: Mapping[str, Any]) -> dict[str, Any]:
    """Set what differs; returns ``{"field": [old, new]}`` for the audit trail."""
    changes = {}
    for field, new in values.items():
        old = getattr(row, field)
        if old != new:
            setattr(row, field, new)
            changes[field] = [as_json(old), as_json(new)]
    return changes


def as_json(value: Any) -> Any:
    """A column's value as the audit trail's JSON holds it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
