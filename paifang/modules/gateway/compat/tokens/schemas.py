"""What ``/api/token`` takes and gives."""

from typing import Annotated, Self

from pydantic import AliasChoices, BaseModel, Field

from paifang.modules.gateway.compat.lists import Paging, Text, Whole
from paifang.modules.gateway.compat.values import Status, amount, millis
from paifang.modules.gateway.tokens.models import Token

STATES = {1: ("enabled",), 2: ("disabled", "revoked"), 3: ("expired",), 4: ("exhausted",)}
"""Numbers of that service to what a token can be at a moment."""
_NUMBERS = {state: number for number, states in STATES.items() for state in states}
HIDDEN = "*" * 31
"""Between the first characters and the last four: together as long as a key."""
LEAST_QUOTA = 1
"""In nanos. Our quota may be 0, which allows nothing; in this API 0 means no limit."""

ExpiresAt = Annotated[
    int | None,
    Field(
        validation_alias=AliasChoices("expiredAt", "expired_at"),
        description="Unix milliseconds, also as `expired_at`; 0: never.",
    ),
]
Quota = Annotated[
    float | None,
    Field(
        ge=0,
        allow_inf_nan=False,
        description="What it may spend in its life, in the metering currency; 0: no limit.",
    ),
]


class TokenIn(BaseModel):
    """A new token, or changes to one: what is not sent stays."""

    name: str | None = None
    subnet: str | None = Field(
        None, description="Where it may be used from: CIDR blocks with commas between; empty: any."
    )
    models: list[str] | None = Field(None, description="Models it may call; empty: all.")
    expired_at: ExpiresAt = None
    quota: Quota = None


class StatusIn(BaseModel):
    """Another status."""

    status: Status


class NameIn(BaseModel):
    """Another name."""

    name: str


class TokenFilter(Paging):
    """What tokens may be narrowed by."""

    group: Text = None
    status: Whole = Field(None, description="1 enabled, 2 disabled, 3 expired, 4 exhausted.")


class TokenSearch(TokenFilter):
    """What tokens may be searched by."""

    keyword: Text = Field(None, description="Part of the name, the group, or the shown key.")
    name: Text = Field(None, description="The whole name.")
    key: Text = Field(None, description="The whole key, or as much of it as is shown.")


class GroupTokenFilter(Paging):
    """What the tokens of a group may be narrowed by."""

    status: Whole = Field(None, description="1 enabled, 2 disabled, 3 expired, 4 exhausted.")


class GroupTokenSearch(GroupTokenFilter):
    """What the tokens of a group may be searched by."""

    keyword: Text = Field(None, description="Part of the name or of the shown key.")
    name: Text = Field(None, description="The whole name.")
    key: Text = Field(None, description="The whole key, or as much of it as is shown.")


class ProxyToken(BaseModel):
    """A token as AI Proxy shows it."""

    id: int
    key: str
    """In full only in the answer of the call that made it."""
    name: str
    group: str
    subnet: str
    models: list[str] | None
    status: int
    """1 enabled, 2 disabled (or revoked), 3 expired, 4 exhausted."""
    quota: float
    used_amount: float
    request_count: int
    created_at: int
    expired_at: int
    accessed_at: int

    @classmethod
    def of(cls, token: Token, key: str | None = None) -> Self:
        """Show a row; ``key`` when it has just been made."""
        return cls(
            id=token.number,
            key=key or f"{token.prefix}{HIDDEN}{token.last_four}",
            name=token.name,
            group=token.group_id,
            subnet=",".join(token.networks),
            models=token.models,
            status=_NUMBERS[token.state],
            quota=0.0 if token.quota is None else amount(max(token.quota, LEAST_QUOTA)),
            used_amount=amount(token.used),
            request_count=token.requests,
            created_at=millis(token.created_at),
            expired_at=millis(token.expires_at),
            accessed_at=millis(token.last_used_at),
        )


class ProxyTokens(BaseModel):
    """Some tokens."""

    tokens: list[ProxyToken]
    total: int
