"""What the channels' API takes and gives."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from paifang.core.secrets import Secrets, SecretsError
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.channels.presets.provider import Endpoint, Provider, StreamUsage
from paifang.modules.gateway.channels.providers import MAX_BASE_URL, check_provider
from paifang.modules.gateway.fields import ModelName, MoneyOut, Name, Search, absent

HINT_MIN_LENGTH = 12
"""A shorter credential would be half told by its last four characters."""


def _credential(value: SecretStr) -> SecretStr:
    # It becomes part of a header; a pasted one often brings a line break along.
    text = value.get_secret_value().strip()
    if not 1 <= len(text) <= 4096 or not all("!" <= c <= "~" for c in text):
        raise ValueError(
            "a credential must be 1 to 4,096 visible ASCII characters; null means none is sent"
        )
    return SecretStr(text)


def _unique(value: list[str]) -> list[str]:
    return list(dict.fromkeys(value))


ProviderId = Annotated[str, AfterValidator(check_provider)]
BaseUrl = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_BASE_URL)]
Credential = Annotated[SecretStr, AfterValidator(_credential)]
Models = Annotated[list[ModelName], Field(max_length=2000), AfterValidator(_unique)]
ModelMapping = Annotated[dict[ModelName, ModelName], Field(max_length=2000)]
Priority = Annotated[int, Field(ge=-1000, le=1000)]
Weight = Annotated[int, Field(ge=1, le=1_000_000)]
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
Status = Literal["enabled", "disabled"]


class ChannelCreate(BaseModel):
    """A new channel."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: Name
    provider: ProviderId = Field(
        description="The id of a provider; `openai` for any URL that speaks its API."
    )
    base_url: BaseUrl = Field(
        "",
        description="Everything before `/chat/completions`, e.g. `https://api.example.com/v1`; "
        "`local:<model>` for a local model. Empty: the provider's own.",
    )
    credential: Credential | None = Field(
        None,
        description="Sent in the header the provider wants it in. Stored encrypted, never shown "
        "again.",
    )
    models: Models = Field(default_factory=list, description="Models it serves, by our names.")
    model_mapping: ModelMapping = Field(
        default_factory=dict, description="Our model name to the upstream's, where they differ."
    )
    priority: Priority = Field(0, description="Higher is tried first.")
    weight: Weight = Field(1, description="Share among channels of one priority.")
    connect_timeout: Seconds = Field(5.0, description="Seconds to wait for a connection.")
    first_byte_timeout: Seconds = Field(120.0, description="Seconds to wait for an answer.")
    idle_timeout: Seconds = Field(60.0, description="Longest silence inside an answer, seconds.")
    status: Status = "enabled"


class ChannelPreview(BaseModel):
    """An upstream that is no channel yet, or a channel as it may be changed."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    provider: ProviderId
    base_url: BaseUrl = Field("", description="Empty: the provider's own.")
    credential: Credential | None = None
    channel_id: UUID | None = Field(None, description="Whose stored credential may be used.")


class PreviewRead(BaseModel):
    """What the upstream answered."""

    models: list[str]
    ms: int


class ChannelUpdate(BaseModel):
    """Changes to a channel; what is not sent stays."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: Name = Field(default_factory=absent)
    provider: ProviderId = Field(default_factory=absent)
    base_url: BaseUrl = Field(default_factory=absent)
    credential: Credential | None = Field(None, description="null removes the stored one.")
    models: Models = Field(default_factory=absent)
    model_mapping: ModelMapping = Field(default_factory=absent)
    priority: Priority = Field(default_factory=absent)
    weight: Weight = Field(default_factory=absent)
    connect_timeout: Seconds = Field(default_factory=absent)
    first_byte_timeout: Seconds = Field(default_factory=absent)
    idle_timeout: Seconds = Field(default_factory=absent)
    status: Status = Field(default_factory=absent)


class ChannelFilter(BaseModel):
    """What a list of channels may be narrowed by."""

    provider: ProviderId | None = None
    status: Status | None = None
    model: Search | None = Field(None, description="Serves this model.")
    search: Search | None = Field(None, description="Part of the name.")


class ChannelRead(BaseModel):
    """A channel without its credential."""

    id: UUID
    number: int
    """The integer id of the AI Proxy API."""
    name: str
    provider: str
    base_url: str
    credential_set: bool
    credential_hint: str | None
    """The last four characters of the credential, if it is long enough to tell them."""
    models: list[str]
    model_mapping: dict[str, str]
    priority: int
    weight: int
    connect_timeout: float
    first_byte_timeout: float
    idle_timeout: float
    status: str
    tested_at: datetime | None
    test_ms: int | None
    test_error: str | None
    used: MoneyOut
    """Spent through it, in the metering currency."""
    requests: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, channel: Channel, secrets: Secrets) -> Self:
        """Show a row."""
        hint = _hint(channel, secrets)
        shown = {
            "credential_set": channel.credential is not None,
            "credential_hint": hint,
        }
        rest = {name: getattr(channel, name) for name in cls.model_fields if name not in shown}
        return cls(**shown, **rest)


def _hint(channel: Channel, secrets: Secrets) -> str | None:
    if channel.credential is None:
        return None
    try:
        text = secrets.decrypt(channel.credential.encode())
    except SecretsError:
        # The list must still be seen; using or rotating the credential says what is wrong.
        return None
    return text[-4:] if len(text) >= HINT_MIN_LENGTH else None


class ProviderRead(BaseModel):
    """A kind of upstream, and what a channel to it needs."""

    id: str
    label: str
    base_url: str
    """What a channel without one gets; what stands in braces is to be filled in first. Empty: the
    channel must have one."""
    placeholders: dict[str, str]
    """What stands in braces in the base URL, and what belongs there."""
    needs_credential: bool
    variable: str
    """The environment variable that usually holds its credential; empty when there is none."""
    keys_url: str
    """Where to get a credential; empty when there is no such place."""
    source: str
    """The provider's document this is from."""
    lists_models: bool
    """Whether it can be asked which models it has."""
    endpoints: list[Endpoint]
    """What of OpenAI's API it has, by its documents."""
    stream_usage: StreamUsage
    """How a stream tells its usage: asked for it, always, or unasked while it refuses to be asked
    (then it is not)."""
    note: str
    """What else to know."""

    @classmethod
    def of(cls, provider: Provider) -> Self:
        """Show a provider."""
        own = {name: getattr(provider, name) for name in cls.model_fields if name != "lists_models"}
        return cls(lists_models=provider.models is not None, **own)


class ChannelTest(BaseModel):
    """What to test a channel with."""

    model_config = ConfigDict(extra="forbid")

    model: ModelName | None = Field(
        None,
        description="Make a real call of a few model tokens to this model, which may cost money. "
        "Without it the upstream is only asked for its list of models.",
    )


class ChannelTestRead(BaseModel):
    """How a test went."""

    ok: bool
    ms: int | None
    """How long the upstream took; null when it failed."""
    error: str | None
    """What is wrong and what to do about it."""
    missing_models: list[str]
    """Models of the channel that the upstream does not list; some upstreams serve more than
    they list."""
    tested_at: datetime


class UpstreamModelsRead(BaseModel):
    """The models an upstream lists, by its own names."""

    models: list[str]
