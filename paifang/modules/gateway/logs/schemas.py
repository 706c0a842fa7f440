"""What the logs' API takes and gives."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from paifang.modules.gateway.changes import PRINTABLE_PATTERN
from paifang.modules.gateway.fields import Mine, MoneyOut
from paifang.modules.gateway.logs.models import Log
from paifang.modules.gateway.relay.record import Outcome


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("the year is too far away") from None


Text = Annotated[str, Field(max_length=128, pattern=PRINTABLE_PATTERN)]
Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
StatusClass = Literal["2xx", "3xx", "4xx", "5xx"]


class LogNarrow(BaseModel):
    """What logs may be narrowed by, wherever they are read."""

    model_config = ConfigDict(extra="forbid")

    group_id: Text | None = None
    token_id: Text | None = None
    channel_id: Text | None = None
    model: Text | None = Field(None, description="The name the client called.")
    outcome: Outcome | None = None
    status: StatusClass | None = Field(None, description="Class of the HTTP status.")
    mine: Mine = False

    def filters(self) -> dict[str, Any]:
        """What narrows the rows; ``mine`` narrows whoever asks."""
        return self.model_dump(exclude={"mine"})


class LogFilter(LogNarrow):
    """Which page of logs is wanted."""

    before: int | None = Field(
        None,
        ge=1,
        lt=2**63,
        description="Only logs older than the one with this id: `next` of the last page.",
    )
    limit: int = Field(20, ge=1, le=100, description="Rows of a page.")
    request_id: Text | None = None
    started_from: Moment | None = Field(None, description="Started at or after this.")
    started_to: Moment | None = Field(None, description="Started before this.")


class LogExport(LogNarrow):
    """Which logs are to be exported."""

    started_from: Moment = Field(description="Started at or after this.")
    started_to: Moment = Field(description="Started before this.")


class LogTail(LogNarrow):
    """Which logs are to be followed."""

    after: int | None = Field(
        None, ge=0, lt=2**63, description="From the one with this id on; not given: from now on."
    )


class LogRead(BaseModel):
    """What one call did and consumed."""

    id: int
    request_id: str
    started_at: datetime
    group_id: str
    token_id: str | None
    token_name: str
    person: str | None
    purpose: str
    channel_id: str | None
    channel_name: str
    model: str
    upstream_model: str
    endpoint: str
    stream: bool
    status: int
    outcome: str
    error: str
    attempts: int
    duration_ms: float
    first_byte_ms: float | None
    input: int
    cached_input: int
    cache_write: int
    output: int
    reasoning: int
    estimated: bool
    """True when the provider gave no usage and the model tokens are our estimate."""
    cost: MoneyOut | None
    """Decimal, in ``currency``; null when no price was known."""
    currency: str
    unpriced: bool
    """Model tokens were consumed and no price was known: not free, but unknown."""
    price_id: str | None
    ip: str
    user_agent: str

    @classmethod
    def of(cls, log: Log, currency: str) -> Self:
        """Show a row."""
        shown: dict[str, Any] = {"currency": currency}
        rest = {name: getattr(log, name) for name in cls.model_fields if name not in shown}
        return cls(**shown, **rest)


class LogPage(BaseModel):
    """Some logs, newest first."""

    items: list[LogRead]
    next: int | None
    """Give it as ``before`` for the next page; null when there is none."""


class Deleted(BaseModel):
    """What a deletion did."""

    deleted: int
    more: bool
    """There is more to delete: ask again."""
