"""Which channel is asked, and which after it."""

import math
import random
from collections.abc import Iterator, Sequence

from paifang.modules.gateway.relay.errors import RATE, SERVER, Refusal, retry_after
from paifang.modules.gateway.relay.snapshot import Channel

COOLING_STATUSES = frozenset({429, 503})
"""Answers whose ``Retry-After`` keeps a channel out of use."""


class Router:
    """Orders channels for a call and remembers which of them asked to be left alone.

    This is the seam for breakers and stickiness: whatever decides on a channel before it is
    asked goes into :meth:`candidates`, whatever learns from its answer beside :meth:`cool`.
    """

    def __init__(self, *, max_cooldown: float, rng: random.Random | None = None) -> None:
        self._max_cooldown = max_cooldown
        self._rng = rng or random.Random()  # noqa: S311 - it shares load, it keeps no secret
        self._cooling: dict[str, tuple[float, int]] = {}

    def candidates(self, channels: Sequence[Channel], now: float) -> Iterator[Channel]:
        """Channels in the order to ask them, each once, the cooling ones left out.

        Higher priority first; within one, drawn by weight. ``channels`` come sorted by priority
        and ``now`` is monotonic. Channels of weight 0 come last in theirs.
        """
        if len(channels) == 1:
            if not self._cooling or not self.cooling(channels[0].id, now):
                yield channels[0]
            return
        start = 0
        while start < len(channels):
            priority = channels[start].priority
            stop = start + 1
            while stop < len(channels) and channels[stop].priority == priority:
                stop += 1
            rest = list(channels[start:stop])
            start = stop
            while rest:
                channel = rest.pop(self._draw(rest))
                if not self._cooling or not self.cooling(channel.id, now):
                    yield channel

    def _draw(self, channels: Sequence[Channel]) -> int:
        if len(channels) == 1:
            return 0
        point = self._rng.random() * sum(max(0, channel.weight) for channel in channels)
        for index, channel in enumerate(channels):
            point -= max(0, channel.weight)
            if point < 0:
                return index
        return self._rng.randrange(len(channels))

    def cool(self, channel_id: str, status: int, seconds: float, now: float) -> None:
        """Leave a channel alone for ``seconds``; an earlier, longer wish stays."""
        deadline = now + min(seconds, self._max_cooldown)
        known = self._cooling.get(channel_id)
        if known is None or known[0] < deadline:
            self._cooling[channel_id] = (deadline, status)

    def cooling(self, channel_id: str, now: float) -> bool:
        """Whether the channel is to be left alone."""
        known = self._cooling.get(channel_id)
        if known is None:
            return False
        if known[0] <= now:
            del self._cooling[channel_id]
            return False
        return True

    def keep_only(self, channel_ids: set[str]) -> None:
        """Forget channels that are gone."""
        for channel_id in self._cooling.keys() - channel_ids:
            del self._cooling[channel_id]

    def all_cooling(self, channels: Sequence[Channel], model: str, now: float) -> Refusal:
        """The answer when no channel may be asked: when the first one is back."""
        known = [self._cooling[c.id] for c in channels if c.id in self._cooling]
        deadline, status = min(known, default=(now + 1, 503))
        seconds = max(1, math.ceil(deadline - now))
        limited = status == 429
        return Refusal(
            429 if limited else 503,
            "upstream_rate_limited" if limited else "upstream_overloaded",
            f"Every upstream of the model {model!r} has asked not to be called for now. Try again "
            f"in {seconds} s.",
            kind=RATE if limited else SERVER,
            headers=(retry_after(seconds),),
            blame="upstream",
        )
