"""Limits that several processes share, through Redis or Valkey.

Each process leases a part of what a limit still allows and decides on it in its own memory, so
that most calls ask nobody. What it does not use it gives back; what a dead process held comes
free after :data:`~paifang.core.leases.asks.DEADLINE` seconds. All limits of one call are leased in
one round trip, all or none.
"""

from paifang.core.leases.accounts import Budget, Overdrawn
from paifang.core.leases.asks import Wish
from paifang.core.leases.decisions import Away
from paifang.core.leases.shared import SharedLimits

__all__ = ["Away", "Budget", "Overdrawn", "SharedLimits", "Wish"]
