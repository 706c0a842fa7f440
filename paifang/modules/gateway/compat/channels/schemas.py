"""What ``/api/channel`` takes and gives."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from paifang.core.secrets import Secrets
from paifang.modules.gateway.channels import service
from paifang.modules.gateway.channels.errors import CredentialUnreadable
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.compat.channels.types import number_of
from paifang.modules.gateway.compat.lists import Paging, Text, Whole
from paifang.modules.gateway.compat.values import Status, amount, millis, status_number

HIDDEN = "*" * 8
"""Stands for a credential, with its last four characters behind it when it is long enough."""
LEAST_LENGTH = 12
"""A shorter credential would be half told by its last four characters."""

Type = Annotated[int, Field(description="The number of the kind of upstream.")]


class ChannelIn(BaseModel):
    """A new channel, or changes to one: what is not sent stays."""

    model_config = ConfigDict(hide_input_in_errors=True)

    type: Type | None = None
    name: str | None = None
    key: str | None = Field(
        None,
        description="The credential; for a new channel, several with line breaks between make "
        "several channels. As it is shown, or empty: it stays as it is.",
    )
    base_url: str | None = Field(None, description="Empty: the type's own.")
    models: list[str] | None = None
    model_mapping: dict[str, str] | None = None
    priority: int | None = None
    status: Status | None = None
    config: dict[str, Any] | None = Field(None, description="Not supported: empty.")
    other: str | None = Field(None, description="Not supported: empty.")


class ChannelChange(ChannelIn):
    """Changes to a channel."""

    id: int = Field(ge=1, lt=2**63)


class StatusIn(BaseModel):
    """Another status."""

    status: Status


class ChannelFilter(Paging):
    """What channels may be narrowed by."""

    id: Whole = None
    name: Text = Field(None, description="The whole name.")
    key: Text = Field(None, description="Not possible: credentials are stored encrypted.")
    channel_type: Whole = None
    base_url: Text = Field(None, description="The whole base URL.")


class ChannelSearch(ChannelFilter):
    """What channels may be searched by."""

    keyword: Text = Field(None, description="The id or type, or part of the name or base URL.")


class ProxyChannel(BaseModel):
    """A channel as AI Proxy shows it, with its credential hidden."""

    id: int
    name: str
    key: str
    base_url: str
    type: Type
    models: list[str]
    model_mapping: dict[str, str]
    config: dict[str, str]
    other: str
    priority: int
    status: Status
    balance: float
    used_amount: float
    request_count: int
    response_duration: int
    """Milliseconds the last test took; 0 when it failed or there was none."""
    created_at: int
    test_at: int
    balance_updated_at: int

    @classmethod
    def of(cls, channel: Channel, secrets: Secrets) -> Self:
        """Show a row."""
        return cls(
            id=channel.number,
            name=channel.name,
            key=hidden_key(channel, secrets),
            base_url=channel.base_url,
            type=number_of(channel),
            models=channel.models,
            model_mapping=channel.model_mapping,
            config={},
            other="",
            priority=channel.priority,
            status=status_number(channel.status),
            balance=0.0,  # never asked for, as balance_updated_at says
            used_amount=amount(channel.used),
            request_count=channel.requests,
            response_duration=channel.test_ms or 0,
            created_at=millis(channel.created_at),
            test_at=millis(channel.tested_at),
            balance_updated_at=millis(None),
        )


def hidden_key(channel: Channel, secrets: Secrets) -> str:
    """The credential as it is shown; empty when there is none."""
    if channel.credential is None:
        return ""
    try:
        text = service.open_credential(channel, secrets=secrets)
    except CredentialUnreadable:
        return HIDDEN  # the list must still be seen; using the channel says what is wrong
    return HIDDEN + text[-4:] if len(text) >= LEAST_LENGTH else HIDDEN


class ProxyChannels(BaseModel):
    """Some channels."""

    channels: list[ProxyChannel]
    total: int


class ProxyTest(BaseModel):
    """How a test went."""

    id: int
    name: str
    success: bool
    message: str
    time: float
    """Seconds the upstream took; 0 when it failed."""


class TestEnvelope(BaseModel):
    """The answer to a test of one channel, which that service writes beside the data."""

    success: bool
    message: str
    data: ProxyTest
    time: float
    model: str
