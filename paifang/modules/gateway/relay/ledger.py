"""What tokens have spent, as far as this process knows: the quota is decided on it.

The database lags behind by the batches that are still in the journal, so a snapshot's figure
never lowers ours; it raises it when another process has seen more. Calls in flight hold an
estimate of their cost, so that many at once cannot all pass on the same last cent: a token may
overdraw by what its last call costs, and no more than the estimates are wrong by.
"""

from collections.abc import Iterable

from paifang.modules.gateway.relay.errors import NO_RETRY, Refusal, retry_after
from paifang.modules.gateway.relay.snapshot import NANOS_PER_UNIT, Token


class Ledger:
    """Spent and held nanos by token."""

    def __init__(self) -> None:
        self._spent: dict[str, int] = {}
        self._held: dict[str, int] = {}

    def use(self, tokens: Iterable[Token]) -> None:
        """Take over the tokens of a new snapshot; those that are gone are forgotten."""
        old = self._spent
        self._spent = {token.id: max(token.used, old.get(token.id, 0)) for token in tokens}

    def spent(self, token_id: str) -> int:
        """Nanos this token has spent."""
        return self._spent.get(token_id, 0)

    def hold(self, token: Token, quota: int, nanos: int) -> bool:
        """Set an estimate aside until :meth:`let_go`; always True.

        Raises :class:`Refusal` (429) when nothing of the quota is left.
        """
        key = token.id
        held = self._held.get(key, 0)
        spent = self._spent.get(key, 0)
        if spent + held >= quota:
            raise used_up(token, quota, spent, held)
        if nanos:
            self._held[key] = held + nanos
        return True

    def let_go(self, token_id: str, nanos: int) -> None:
        """Undo :meth:`hold`."""
        left = self._held.get(token_id, 0) - nanos
        if left > 0:
            self._held[token_id] = left
        else:
            self._held.pop(token_id, None)

    def spend(self, token_id: str, nanos: int) -> None:
        """A call is finished; a token that is gone meanwhile is not counted."""
        if token_id in self._spent:
            self._spent[token_id] += nanos


def used_up(token: Token, quota: int, spent: int, held: int) -> Refusal:
    """The answer to a caller whose quota is spent, or held by calls in progress."""
    return Refusal(
        429,
        "insufficient_quota",
        f"The API key {token.name!r} has used up its quota of {_units(quota)}: "
        f"{_units(spent)} spent, {_units(held)} held for calls in progress. It does not renew "
        "by itself; ask for a higher quota.",
        kind="insufficient_quota",
        headers=(retry_after(2),) if spent < quota else (NO_RETRY,),
    )


def _units(nanos: int) -> str:
    """Nanos in units of the metering currency, without needless zeros."""
    text = f"{nanos / NANOS_PER_UNIT:.9f}".rstrip("0")
    return text + "0" if text.endswith(".") else text
