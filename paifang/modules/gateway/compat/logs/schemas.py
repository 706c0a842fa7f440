"""What ``/api/logs`` takes and gives."""

from datetime import timedelta
from typing import Self

from pydantic import BaseModel, Field

from paifang.modules.gateway.compat.lists import Millis, Paging, Text, Whole
from paifang.modules.gateway.compat.values import amount, millis, per_thousand
from paifang.modules.gateway.logs.models import Log
from paifang.modules.gateway.prices.models import Price


class Narrowed(BaseModel):
    """What sums of logs may be narrowed by."""

    start_timestamp: Millis = None
    end_timestamp: Millis = None
    token_name: Text = None
    model_name: Text = None
    channel: Whole = Field(None, description="The integer id of a channel.")
    endpoint: Text = None


class StatFilter(Narrowed):
    """Which logs are summed up."""

    group: Text = None


class GroupLogFilter(Paging, Narrowed):
    """What the logs of a group may be narrowed by."""

    token_id: Whole = Field(None, description="The integer id of a token.")
    code: Whole = Field(None, description="The HTTP status.")
    content: Text = Field(None, description="The code of the error.")


class GroupLogSearch(GroupLogFilter):
    """What the logs of a group may be searched by."""

    keyword: Text = Field(
        None,
        description="The status, or part of the token's name, the model, the endpoint or the "
        "error's code.",
    )


class LogFilter(GroupLogFilter):
    """What logs may be narrowed by."""

    group: Text = None


class LogSearch(GroupLogSearch):
    """What logs may be searched by."""

    group_id: Text = None


class ProxyLog(BaseModel):
    """What one call did, as AI Proxy shows it."""

    id: int
    token_id: int
    """0 when the token is gone, or there was none."""
    token_name: str
    group: str
    model: str
    endpoint: str
    content: str
    """The code of the error; empty when there was none."""
    code: int
    """The HTTP status."""
    channel: int
    """0 when the channel is gone, or none was asked."""
    price: float
    """Per thousand model tokens, as it was at the call."""
    completion_price: float
    prompt_tokens: int
    completion_tokens: int
    used_amount: float
    unpriced: bool
    """Model tokens were consumed and no price was known: the amount is not 0 but unknown."""
    request_at: int
    """When it began; the filters by time mean this."""
    created_at: int
    """When it ended."""

    @classmethod
    def of(cls, log: Log, *, token: int, channel: int, price: Price | None) -> Self:
        """Show a row, with the numbers of its token and channel."""
        return cls(
            id=log.id,
            token_id=token,
            token_name=log.token_name,
            group=log.group_id,
            model=log.model,
            endpoint=log.endpoint,
            content=log.error or ("" if log.outcome == "completed" else log.outcome),
            code=log.status,
            channel=channel,
            price=per_thousand(price.input) if price else 0.0,
            completion_price=per_thousand(price.output) if price else 0.0,
            prompt_tokens=log.input + log.cached_input + log.cache_write,
            completion_tokens=log.output + log.reasoning,
            used_amount=amount(log.cost or 0),
            unpriced=log.unpriced,
            request_at=millis(log.started_at),
            created_at=millis(log.started_at + timedelta(milliseconds=log.duration_ms)),
        )


class ProxyLogs(BaseModel):
    """Some logs."""

    logs: list[ProxyLog]
    total: int


class ProxyStat(BaseModel):
    """What calls cost together."""

    quota: float
