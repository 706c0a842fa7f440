"""From rows to the relay's records. What has not changed since the last load is not built again.

A row that can't be used never stands in the way of the others: its channel is left out, its
token is refused, and an ERROR says which and why, once.
"""

import logging
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from sqlalchemy import Text, and_, case, cast, func, or_, select, type_coerce
from sqlalchemy.types import NullType

from paifang.core.scope import unscoped
from paifang.core.secrets import Secrets, SecretsError
from paifang.modules.accounts.users.models import User as Owner
from paifang.modules.accounts.users.models import UserStatus
from paifang.modules.gateway.channels.models import Channel as ChannelRow
from paifang.modules.gateway.channels.providers import manner_of
from paifang.modules.gateway.groups.models import Group as GroupRow
from paifang.modules.gateway.members.models import GroupMember
from paifang.modules.gateway.prices.models import Price as PriceRow
from paifang.modules.gateway.relay.snapshot import (
    Channel,
    Group,
    Network,
    Price,
    Timeouts,
    Token,
)
from paifang.modules.gateway.snapshot.values import (
    both,
    id_text,
    limits_of,
    list_of,
    mapping_of,
    models_of,
    networks_of,
    shared,
)
from paifang.modules.gateway.tokens.models import Token as TokenRow

log = logging.getLogger(__name__)

BATCH = 250
"""Rows that are built before other work on the event loop gets its turn."""

# A personal group goes with its person. Whose account is not active can't call in any of theirs.
_ACTIVE = UserStatus.ACTIVE.value
GROUPS = unscoped(
    select(
        GroupRow.id,
        case(
            (
                and_(GroupRow.personal_of.is_not(None), func.coalesce(Owner.status, "") != _ACTIVE),
                "disabled",
            ),
            else_=GroupRow.status,
        ),
        GroupRow.rpm,
        GroupRow.tpm,
        GroupRow.concurrency,
        GroupRow.unpriced,
        cast(GroupRow.models, Text),
        GroupRow.quota,
        GroupRow.used,
    ).outerjoin(Owner, Owner.id == GroupRow.personal_of),
    "the relay serves every group",
)
# How many tokens share what is left of a group's quota.
SHARES = unscoped(
    select(TokenRow.group_id, func.count())
    .join(GroupRow, GroupRow.id == TokenRow.group_id)
    .where(
        GroupRow.quota.is_not(None),
        TokenRow.status == "enabled",
        TokenRow.stopped_at.is_(None),
        or_(TokenRow.expires_at.is_(None), TokenRow.expires_at > func.current_timestamp()),
    )
    .group_by(TokenRow.group_id),
    "the relay serves every group",
)
# A token works as long as its person is active and in the group; "stopped" is nothing that is
# stored, and means "not enabled" to the relay, which says the word to the client.
# JSON columns come as text: tokens mostly share a few lists, which are parsed once, and text
# that is no JSON spoils its own row alone. Ids come as the driver has them: making a UUID of each,
# and text of that, would take longer than the rest.
TOKENS = unscoped(
    select(
        TokenRow.digest,
        type_coerce(TokenRow.id, NullType),
        TokenRow.name,
        TokenRow.group_id,
        case(
            (TokenRow.status != "enabled", TokenRow.status),
            (TokenRow.stopped_at.is_not(None), "stopped"),
            (
                and_(
                    TokenRow.user_id.is_not(None),
                    or_(GroupMember.role.is_(None), func.coalesce(Owner.status, "") != _ACTIVE),
                ),
                "stopped",
            ),
            else_="enabled",
        ),
        TokenRow.expires_at,
        cast(TokenRow.models, Text),
        cast(TokenRow.networks, Text),
        TokenRow.rpm,
        TokenRow.tpm,
        TokenRow.concurrency,
        TokenRow.quota,
        TokenRow.used,
    )
    .outerjoin(Owner, Owner.id == TokenRow.user_id)
    .outerjoin(
        GroupMember,
        and_(GroupMember.group_id == TokenRow.group_id, GroupMember.user_id == TokenRow.user_id),
    ),
    "the relay serves every token",
)
CHANNELS = (
    select(
        ChannelRow.id,
        ChannelRow.name,
        ChannelRow.provider,
        ChannelRow.base_url,
        ChannelRow.credential,
        cast(ChannelRow.models, Text),
        cast(ChannelRow.model_mapping, Text),
        ChannelRow.priority,
        ChannelRow.weight,
        ChannelRow.connect_timeout,
        ChannelRow.first_byte_timeout,
        ChannelRow.idle_timeout,
    )
    .where(ChannelRow.status == "enabled")
    .order_by(ChannelRow.priority.desc(), ChannelRow.number)
)
PRICES = select(
    PriceRow.model,
    PriceRow.id,
    PriceRow.valid_from,
    PriceRow.input,
    PriceRow.cached_input,
    PriceRow.cache_write,
    PriceRow.output,
    PriceRow.reasoning,
    PriceRow.request,
).order_by(PriceRow.model, PriceRow.valid_from.desc())


@dataclass(frozen=True, slots=True)
class Budget:
    """What a group may spend, and how many of its tokens share that."""

    quota: int
    used: int
    tokens: int = 0

    @property
    def share(self) -> int:
        """Nanos that each token may still spend: together never more than is left.

        The relay holds its books by token. It is split anew before a token can have used up its
        share while others have not; see :mod:`~.budgets`.
        """
        return max(0, self.quota - self.used) // max(1, self.tokens)

    def wants_split(self, used: int) -> bool:
        """Whether, with so much used, a token may be half through its share while others are
        not.
        """
        return self.tokens > 1 and self.share > 0 and used - self.used >= self.share // 2


class Records:
    """Builds records and remembers them. One per loader; one load at a time.

    Args:
        secrets: Decrypts the channels' credentials.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._groups: dict[str, Group] = {}
        self._tokens: dict[bytes, Token] = {}
        self._credentials: dict[str, str] = {}
        self._complaints: set[str] = set()
        self.begin()

    def begin(self) -> None:
        """A load begins; what one that failed has left is dropped."""
        self.groups: dict[str, Group] = {}
        self.tokens: dict[bytes, Token] = {}
        self.budgets: dict[str, Budget] = {}
        self._allowed: dict[str, str | None] = {}
        self._poor: list[Group] = []
        self._free: frozenset[str] = frozenset()
        self._new_credentials: dict[str, str] = {}
        self._new_complaints: set[str] = set()

    def end(self) -> None:
        """The load is complete: what was not in it is forgotten."""
        self._groups = self.groups
        self._tokens = self.tokens
        self._credentials = self._new_credentials
        self._complaints = self._new_complaints

    def group(self, row: Any) -> None:
        """Add a group."""
        group_id, status, rpm, tpm, concurrency, unpriced, models, quota, used = row
        if quota is not None:
            self.budgets[group_id] = Budget(quota, used)
            # What has no price counts nowhere, so nobody with a quota may call it. Without any
            # quota to spend only what is free may be called, whether it says so or not.
            unpriced = "block" if quota else "allow"
        if models is not None or quota == 0:
            self._allowed[group_id] = models
        group = Group(
            group_id,
            status == "enabled",
            limits_of(rpm, tpm, concurrency),
            sys.intern(unpriced),
            # Which models cost nothing is not known yet.
            None if quota == 0 else self._of_group(group_id),
        )
        if quota == 0:
            self._poor.append(group)
        self._keep_group(group)

    def _keep_group(self, group: Group) -> None:
        known = self._groups.get(group.id)
        self.groups[group.id] = known if known == group else group

    def token(self, row: Any) -> None:
        """Add a token, unless its group is not in this load. The groups come first."""
        digest, token_id, name, group_id, status, expires_at, models, networks, *rest = row
        rpm, tpm, concurrency, quota, used = rest
        group = self.groups.get(group_id)
        if group is None:
            return
        token_id = id_text(token_id)
        allowed: frozenset[str] | None = None
        places: tuple[Network, ...] = ()
        try:
            allowed = None if models is None else models_of(models)
            allowed = self._within_group(group_id, models, allowed)
            places = networks_of(networks)
        except ValueError as error:
            self._complain(f"token {token_id} ({name!r}) is refused: {error}")
            status = "disabled" if status == "enabled" else status
        budget = self.budgets.get(group_id)
        if budget is not None and budget.quota:
            ceiling = used + budget.share
            quota = ceiling if quota is None else min(quota, ceiling)
        values = (
            token_id,
            name,
            group,
            sys.intern(status),
            None if expires_at is None else expires_at.timestamp(),
            allowed,
            places,
            limits_of(rpm, tpm, concurrency),
            quota,
            used,
        )
        key = bytes.fromhex(digest)
        known = self._tokens.get(key)
        # What is unchanged stays the same object: thousands of new ones, made while the old ones
        # are still in use, would double what they take. A token names the group of its snapshot.
        if known is None or known.group is not group or _values(known) != values:
            known = Token(*values)
        self.tokens[key] = known

    def share(self, row: Any) -> None:
        """Say how many tokens of a group share what is left of its quota. The groups come first."""
        group_id, count = row
        self.budgets[group_id] = replace(self.budgets[group_id], tokens=count)

    def free(self, models: Iterable[str]) -> Iterator[None]:
        """Say which models cost nothing, and go on to the end: it takes pauses.

        They come between the groups and the tokens.
        """
        self._free = frozenset(models)
        for number, group in enumerate(self._poor, 1):
            self._keep_group(replace(group, models=self._of_group(group.id)))
            if number % BATCH == 0:
                yield

    def _of_group(self, group_id: str) -> frozenset[str] | None:
        try:
            return self._within_group(group_id, None, None)
        except ValueError as error:
            self._complain(f"group {group_id!r} may call nothing without a token: {error}")
            return frozenset()

    def _within_group(
        self, group_id: str, models: str | None, allowed: frozenset[str] | None
    ) -> frozenset[str] | None:
        """The models a token may call, of those that its group may."""
        if group_id not in self._allowed:
            return allowed
        text = self._allowed[group_id]
        found = allowed if text is None else both(models, text)
        budget = self.budgets.get(group_id)
        if budget is not None and budget.quota == 0:
            return shared(self._free if found is None else self._free & found)
        return found

    def channel(self, row: Any) -> tuple[list[str], Channel]:
        """The models an enabled channel serves, none when it can't be used, and the channel."""
        channel_id, name, provider, base_url, encrypted, models, mapping, *rest = row
        priority, weight, connect, first_byte, idle = rest
        served: list[str] = []
        names: dict[str, str] = {}
        credential = ""
        try:
            credential = self._credential(encrypted)
            names = mapping_of(mapping)
            served = list_of(models, "models")
        except (ValueError, SecretsError) as error:
            self._complain(f"channel {channel_id} ({name!r}) is left out: {error}")
        channel = Channel(
            id=str(channel_id),
            name=name,
            provider=provider,
            base_url=base_url,
            credential=credential,
            model_mapping=names,
            priority=priority,
            weight=weight,
            timeouts=Timeouts(connect, first_byte, idle),
            **manner_of(provider),
        )
        return served, channel

    def _credential(self, encrypted: str | None) -> str:
        if not encrypted:
            return ""
        known = self._credentials.get(encrypted)
        if known is None:
            known = self._secrets.decrypt(encrypted.encode())
        self._new_credentials[encrypted] = known
        return known

    def _complain(self, message: str) -> None:
        self._new_complaints.add(message)
        if message not in self._complaints:
            log.error("%s", message)


def price(row: Any) -> Price:
    """A price, from a row without its model."""
    price_id, valid_from, *amounts = row
    return Price(str(price_id), valid_from.timestamp(), *amounts)


_values = attrgetter(
    "id",
    "name",
    "group",
    "status",
    "expires_at",
    "models",
    "networks",
    "limits",
    "quota",
    "used",
)
"""A token's fields, in the order in which it takes them."""
