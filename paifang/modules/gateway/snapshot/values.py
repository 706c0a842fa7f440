"""What columns hold, as the relay's records have it.

Equal values are one object, because thousands of tokens share a few of them.
"""

from functools import lru_cache
from typing import Any

import orjson

from paifang.modules.gateway.changes import parse_network
from paifang.modules.gateway.relay.snapshot import Limits, Network


def id_text(given: Any) -> str:
    """An id as text, from whatever the driver has: SQLite's is a UUID's hex."""
    text = str(given)
    if len(text) != 32:
        return text
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@lru_cache(maxsize=4096)
def limits_of(rpm: int | None, tpm: int | None, concurrency: int | None) -> Limits:
    """One object for all whose limits are equal."""
    return Limits(rpm, tpm, concurrency)


@lru_cache(maxsize=4096)
def models_of(text: str) -> frozenset[str]:
    """A list of models."""
    return frozenset(list_of(text, "models"))


@lru_cache(maxsize=4096)
def both(token: str | None, group: str) -> frozenset[str]:
    """The models of a group that a token may call; one object for all of the same texts."""
    return models_of(group) if token is None else models_of(group) & models_of(token)


@lru_cache(maxsize=1024)
def shared(models: frozenset[str]) -> frozenset[str]:
    """One object for all sets that are equal."""
    return models


@lru_cache(maxsize=4096)
def networks_of(text: str) -> tuple[Network, ...]:
    """A list of networks."""
    return tuple(parse_network(entry) for entry in list_of(text, "networks"))


def list_of(text: str, field: str) -> list[str]:
    """A list of text. Raises ``ValueError``, naming the column, for anything else."""
    found = json_of(text, field)
    if not isinstance(found, list) or not all(isinstance(entry, str) for entry in found):
        raise ValueError(f"{field} is not a list of text")
    return found


def mapping_of(text: str) -> dict[str, str]:
    """Names to names. Raises ``ValueError`` for anything else."""
    found = json_of(text, "model_mapping")
    if not isinstance(found, dict) or not all(isinstance(to, str) for to in found.values()):
        raise ValueError("model_mapping does not map names to names")
    return found


def json_of(text: str, field: str) -> Any:
    """A column's JSON. Raises ``ValueError``, naming the column, when it is none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"{field} is not JSON") from error
