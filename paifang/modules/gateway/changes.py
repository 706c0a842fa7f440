"""How services check and apply changes: the same rules for HTTP, commands and the AI Proxy API."""

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from paifang.core import changes
from paifang.core.changes import MAX_NAME, PRINTABLE_PATTERN, apply_changes, as_json, as_name

__all__ = [
    "GROUP_ID_PATTERN",
    "MAX_CONCURRENCY",
    "MAX_MODEL",
    "MAX_MODELS",
    "MAX_NAME",
    "MAX_NANOS",
    "MAX_NETWORKS",
    "MAX_RPM",
    "MAX_TPM",
    "PRINTABLE_PATTERN",
    "Check",
    "apply_changes",
    "as_group_id",
    "as_json",
    "as_model",
    "parse_network",
]

# What a value must be like is said once, here; the types of fields.py and the checks below use it.
GROUP_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
MAX_MODEL = 128
MAX_MODELS = 1000
MAX_NETWORKS = 100
MAX_NANOS = 10**18
"""A billion of the metering currency; sums of many such amounts still fit a database's integer."""
MAX_RPM = 10**9
MAX_TPM = 10**12
MAX_CONCURRENCY = 10**6

_MAPPED = IPv6Network("::ffff:0:0/96")


class Check(changes.Check):
    """What is wrong with the gateway's own kinds of values."""

    def group_id(self, value: str, field: str = "id") -> str:
        """An id of a group."""
        return self.follows(as_group_id, value, field)

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


def as_model(value: str) -> str:
    """The name of a model as it is stored.

    Raises:
        ValueError: it can't be one.
    """
    return as_name(value, MAX_MODEL)


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
