"""How services check and apply changes: the same rules for HTTP, commands and the AI Proxy API."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any
from uuid import UUID

from paifang.core.db import Base, utc_now
from paifang.core.errors import Invalid

# What a value must be like is said once, here; the types of fields.py and the checks below use it.
GROUP_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
PRINTABLE_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]+$"
"""For what is searched: PostgreSQL takes no NUL."""
MAX_NAME = 64
MAX_MODEL = 128
MAX_MODELS = 1000
MAX_NETWORKS = 100
MAX_NANOS = 10**18
"""A billion of the metering currency; sums of many such amounts still fit a database's integer."""
MAX_RPM = 10**9
MAX_TPM = 10**12
MAX_CONCURRENCY = 10**6

_MAPPED = IPv6Network("::ffff:0:0/96")


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

    def group_id(self, value: str, field: str = "id") -> str:
        """An id of a group."""
        return self._follows(as_group_id, value, field)

    def name(self, value: str, field: str = "name", longest: int = MAX_NAME) -> str:
        """A name: printable, without spaces around it."""
        return self._follows(lambda text: as_name(text, longest), value, field)

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

    def limits(self, values: Mapping[str, Any]) -> None:
        """``rpm``, ``tpm`` and ``concurrency``, those that are there."""
        for field, most in (("rpm", MAX_RPM), ("tpm", MAX_TPM), ("concurrency", MAX_CONCURRENCY)):
            self.whole(field, values.get(field), 1, most)

    def models(self, value: Iterable[str] | None) -> list[str] | None:
        """Names of models, each once; None for all."""
        if value is None:
            return None
        entries = list(value)
        if not 1 <= len(entries) <= MAX_MODELS:
            self.wrong("models", f"name 1 to {MAX_MODELS} models, or null for all")
            return None
        return list(
            dict.fromkeys(
                self.name(entry, f"models.{place}", MAX_MODEL)
                for place, entry in enumerate(entries)
            )
        )

    def networks(self, value: Iterable[str]) -> list[str]:
        """CIDR blocks and single addresses, as blocks in their normal form, each once."""
        entries = list(value)
        if len(entries) > MAX_NETWORKS:
            self.wrong("networks", f"name at most {MAX_NETWORKS}")
            return []
        found: dict[str, None] = {}
        for place, entry in enumerate(entries):
            try:
                found[str(parse_network(entry))] = None
            except ValueError:
                self.wrong(
                    f"networks.{place}",
                    f"{entry[:64]!r} is neither an address nor a block like 10.0.0.0/8",
                )
        return list(found)

    def _follows(self, rule: Callable[[str], str], value: str, field: str) -> str:
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


def as_group_id(value: str) -> str:
    """An id of a group.

    Raises:
        ValueError: it can't be one; the message says what can.
    """
    if not re.fullmatch(GROUP_ID_PATTERN, value):
        raise ValueError(
            "use 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit"
        )
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


def as_model(value: str) -> str:
    """The name of a model as it is stored.

    Raises:
        ValueError: it can't be one.
    """
    return as_name(value, MAX_MODEL)


def as_search(value: str) -> str:
    """What is searched for.

    Raises:
        ValueError: PostgreSQL would refuse it, or nothing can be called so.
    """
    if not re.fullmatch(PRINTABLE_PATTERN, value):
        raise ValueError("use printable characters")
    return value


def parse_network(text: str) -> IPv4Network | IPv6Network:
    """An address or a CIDR block; bits after the mask are cleared, and IPv4 written as IPv6
    (``::ffff:10.0.0.1``) becomes IPv4, as the relay compares it.

    Raises:
        ValueError: neither. Zones (``%eth0``) are refused: they mean nothing elsewhere.
    """
    if "%" in text:
        raise ValueError(f"{text!r} has a zone")
    network = ip_network(text.strip(), strict=False)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        address = network.network_address.ipv4_mapped
        return IPv4Network((int(address or 0), network.prefixlen - 96))
    return network


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
