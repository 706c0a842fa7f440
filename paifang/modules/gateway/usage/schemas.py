"""What the API of usage takes and gives."""

from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from paifang.core.db import utc_now
from paifang.modules.gateway.changes import PRINTABLE_PATTERN
from paifang.modules.gateway.fields import Mine, MoneyOut
from paifang.modules.gateway.usage.figures import Series, Sums
from paifang.modules.gateway.usage.periods import Period

Text = Annotated[str, Field(max_length=128, pattern=PRINTABLE_PATTERN)]
By = Literal["model", "group", "token", "channel", "none"]
Step = Literal["hour", "day"]
LAST_YEAR = 9990


def _sane(value: datetime) -> datetime:
    if not 1970 < value.year < LAST_YEAR:
        raise ValueError("the year is too far away")
    return value


Moment = Annotated[AwareDatetime, AfterValidator(_sane)]


class PeriodQuery(BaseModel):
    """A time, by default the last day or month."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    begin: Moment | None = Field(
        None, alias="from", description="Not given: 24 hours or 30 days before `to`."
    )
    end: Moment | None = Field(None, alias="to", description="Not given: now.")
    step: Step = Field("day", description="Hours, at most 31 days of them, or days.")
    tz: str = Field("UTC", max_length=64, description="Whose days they are, e.g. Asia/Taipei.")

    def period(self) -> Period:
        """The hours or days of it. Raises :class:`~.errors.BadPeriod`."""
        end = self.end or utc_now()
        usual = timedelta(hours=24) if self.step == "hour" else timedelta(days=30)
        return Period.of(self.begin or end - usual, end, self.step, self.tz)


class UsageNarrow(PeriodQuery):
    """Which calls are meant."""

    group_id: Text | None = None
    token_id: Text | None = None
    channel_id: Text | None = None
    model: Text | None = None
    mine: Mine = False

    def wanted(self) -> dict[str, str]:
        """The filters that are given, by column."""
        names = ("group_id", "token_id", "channel_id", "model")
        given = {name: getattr(self, name) for name in names}
        return {name: value for name, value in given.items() if value is not None}


class UsageQuery(UsageNarrow):
    """Usage in steps, and by what."""

    by: By = "none"
    limit: int = Field(8, ge=1, le=20, description="Keys that are told; the rest is one series.")
    latency: bool = Field(
        False,
        description="Whether several series say how long calls took; of `none` it is always told.",
    )


class UsageSums(BaseModel):
    """What some calls came to."""

    calls: int
    errors: int
    """Answered with 400 or more, or broken off; refusals are among them."""
    refused: int
    """Refused by us: limits, models, addresses."""
    input: int
    """Model tokens read, from a cache or not."""
    cached: int
    """Those of them that came from the provider's cache."""
    output: int
    """Model tokens written, reasoning included."""
    cost: MoneyOut
    unpriced: int
    """Calls that used model tokens without a price."""
    p50_ms: int | None
    """Half of the completed calls took at most so long, as near as 16 buckets tell."""
    p95_ms: int | None

    @classmethod
    def of(cls, sums: Sums) -> Self:
        """Show sums."""
        return cls(**{name: getattr(sums, name) for name in cls.model_fields})


class UsagePoint(UsageSums):
    """The same of one step."""

    at: datetime
    """When the step begins."""


class UsageSeries(BaseModel):
    """One line of a chart."""

    key: str | None
    """Null: all calls, or the rest beside the other series."""
    label: str
    totals: UsageSums
    points: list[UsagePoint]
    """Steps with calls, in order; those without are left out."""

    @classmethod
    def of(cls, series: Series, period: Period) -> Self:
        """Show a series."""
        points = [
            UsagePoint(at=period.start(at), **dict(UsageSums.of(sums)))
            for at, sums in sorted(series.points.items())
        ]
        return cls(
            key=series.key,
            label=series.label,
            totals=UsageSums.of(series.totals),
            points=points,
        )


class UsageRead(BaseModel):
    """Usage in steps."""

    currency: str
    step: Step
    tz: str
    steps: list[datetime]
    """When each step of the period begins: the chart's axis."""
    series: list[UsageSeries]


class TopRead(BaseModel):
    """One of those that cost or called most."""

    key: str
    label: str
    totals: UsageSums


class OverviewRead(BaseModel):
    """A period at a glance."""

    currency: str
    step: Step
    tz: str
    steps: list[datetime]
    totals: UsageSums
    before: UsageSums
    """The same of the period of that length right before it."""
    points: list[UsagePoint]
    models: list[TopRead]
    groups: list[TopRead]
    tokens: list[TopRead]
    channels: list[TopRead]
    """Empty for who may not read channels."""


class ChannelHealth(BaseModel):
    """How a channel did lately."""

    channel_id: str
    name: str
    hour: UsageSums
    """The last hour and the one that runs."""
    day: UsageSums
    """The last 24 hours and the one that runs."""
