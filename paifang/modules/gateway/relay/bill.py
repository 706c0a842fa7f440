"""What a finished call is billed: its usage and its cost, written into its record."""

import logging
from collections.abc import Callable

from paifang.modules.gateway.relay.meter import cost_of
from paifang.modules.gateway.relay.record import Record, Usage
from paifang.modules.gateway.relay.snapshot import Price

log = logging.getLogger(__name__)


def bill(record: Record, usage: Usage, price: Price | None) -> None:
    """Write what a call consumed, and what that costs, into its record."""
    record.input = usage.input
    record.cached_input = usage.cached_input
    record.cache_write = usage.cache_write
    record.output = usage.output
    record.reasoning = usage.reasoning
    record.estimated = usage.estimated
    record.cost = record.price_id = None
    if price is not None:
        record.price_id = price.id
        try:
            record.cost = cost_of(usage, price)
        except Exception:
            log.exception("the cost of call %s can't be computed", record.request_id)


def computed(record: Record, compute: Callable[[], Usage], told: Usage | None) -> Usage:
    """What was computed, or, if that fails, the provider's last numbers or nothing at all.

    There must be a record even where what it says is in doubt.
    """
    try:
        return compute()
    except Exception:
        log.exception("the usage of call %s can't be estimated", record.request_id)
        return told or Usage(estimated=True)
