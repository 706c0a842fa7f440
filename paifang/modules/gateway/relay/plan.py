"""What the limits of one caller come to, worked out once instead of at each call."""

from collections.abc import Callable, Sequence
from itertools import product
from operator import itemgetter
from typing import Any

from paifang.core.limits import Bundle, Limit, Rate, Slots, Standing
from paifang.modules.gateway.relay.snapshot import Group, Limits, Token

HeaderList = list[tuple[bytes, bytes]]

PERIOD = 60
"""Seconds of a rate's window."""

_NUMBERS = 3
"""Numbers of a rate in a :data:`Standing`."""

_SHOWN = (("rpm", "requests"), ("tpm", "tokens"))


class Plan:
    """The limits of a token and its group, or of a group alone, and how they are told."""

    __slots__ = (
        "_choices", "_variants", "bundle", "estimates", "group", "limited", "owner", "token",
    )  # fmt: skip

    def __init__(self, token: Token | None, group: Group) -> None:
        self.token = token
        self.group = group
        self.owner = group.id if token is None else token.id
        quota = token is not None and token.quota is not None
        limits = [] if token is None else _limits("key", token.id, token.limits)
        self.bundle = Bundle(limits + _limits("group", group.id, group.limits))
        self.limited = bool(self.bundle.limits) or quota
        """There is anything to decide."""
        self.estimates = bool(self.bundle.weighed) or quota
        """The decision needs to know about how long the prompt is."""
        self._choices, self._variants = _variants(self.bundle.limits)

    def header_block(self, standing: Standing) -> bytes:
        """The limits in OpenAI's headers, and in the IETF's
        (draft-ietf-httpapi-ratelimit-headers), as lines with their ends.

        OpenAI's name one limit for requests and one for tokens: of a key's and its group's, the
        one with less left.
        """
        number = 0
        for first, second in self._choices:
            number *= 2
            if standing[second] < standing[first]:
                number += 1
        template, pick = self._variants[number]
        block: bytes = template % pick(standing)
        return block


def split_block(block: bytes) -> HeaderList:
    """Header lines as a list of names and values."""
    lines = [line.partition(b": ") for line in block.split(b"\r\n")]
    return [(name, value) for name, _, value in lines if name]


def _limits(scope: str, owner: str, limits: Limits) -> list[Limit]:
    found = []
    if limits.rpm is not None:
        found.append(Limit(f"{scope}-rpm", f"{scope}:{owner}:rpm", Rate(limits.rpm, PERIOD)))
    if limits.tpm is not None:
        rate = Rate(limits.tpm, PERIOD)
        found.append(Limit(f"{scope}-tpm", f"{scope}:{owner}:tpm", rate, weighed=True))
    if limits.concurrency is not None:
        slots = Slots(limits.concurrency)
        found.append(Limit(f"{scope}-concurrency", f"{scope}:{owner}:concurrency", slots))
    return found


_Variant = tuple[bytes, Callable[[Standing], Any]]


def _variants(limits: Sequence[Limit]) -> tuple[tuple[tuple[int, int], ...], tuple[_Variant, ...]]:
    """Templates of the header lines, one for each way in which key and group may differ.

    Returns:
        Pairs of places in a standing to compare, and for each outcome the template and the
        places of its numbers.
    """
    if not limits:
        return (), ((b"", tuple),)
    lines = f"ratelimit-policy: {', '.join(map(_policy, limits))}\r\n"
    lines += f"ratelimit: {', '.join(map(_state, limits))}\r\n"
    places: list[int] = []
    at: dict[str, int] = {}
    place = 0
    for limit in limits:
        at[limit.name] = place
        if isinstance(limit.rule, Rate):
            places += (place, place + 2)
            place += _NUMBERS
        else:
            places.append(place)
            place += 1
    shown = [[limit for limit in limits if limit.name.endswith(kind)] for kind, _ in _SHOWN]
    words = [word for (_, word), found in zip(_SHOWN, shown, strict=True) if found]
    shown = [found for found in shown if found]
    choices = tuple((at[a.name], at[b.name]) for a, b in (f for f in shown if len(f) == 2))
    variants = []
    for chosen in product(*shown):
        more = "".join(map(_openai, words, chosen))
        numbers = [at[limit.name] + more for limit in chosen for more in (0, 1)]
        variants.append(((lines + more).encode("ascii"), itemgetter(*places, *numbers)))
    return choices, tuple(variants)


def _policy(limit: Limit) -> str:
    ceiling = limit.rule.limit
    if isinstance(limit.rule, Slots):
        return f'"{limit.name}";q={ceiling};qu="concurrent-requests"'
    return f'"{limit.name}";q={ceiling};w={PERIOD}'


def _state(limit: Limit) -> str:
    """What is left, and of a rate when it is full again."""
    if isinstance(limit.rule, Slots):
        return f'"{limit.name}";r=%d'
    return f'"{limit.name}";r=%d;t=%d'


def _openai(what: str, limit: Limit) -> str:
    return (
        f"x-ratelimit-limit-{what}: {limit.rule.limit}\r\n"
        f"x-ratelimit-remaining-{what}: %d\r\n"
        f"x-ratelimit-reset-{what}: %.3fs\r\n"
    )
