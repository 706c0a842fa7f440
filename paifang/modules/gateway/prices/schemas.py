"""What the prices' API takes and gives. Amounts are decimal text in the metering currency."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from paifang.modules.gateway.fields import ModelName, MoneyIn, MoneyOut
from paifang.modules.gateway.prices.models import Price

Amount = Annotated[MoneyIn, Field(description="Per million model tokens.")]


class PriceCreate(BaseModel):
    """A new price. Every model token is in exactly one bucket, so each bucket needs a price;
    where one is not given, its tokens cost what plain input or output costs, never nothing.
    """

    model_config = ConfigDict(extra="forbid")

    model: ModelName
    valid_from: AwareDatetime | None = Field(
        None, description="From when it holds: now (not given) or later."
    )
    input: Amount
    output: Amount
    cached_input: Amount | None = Field(
        None, description="Input read from the provider's cache. Not given: as input."
    )
    cache_write: Amount | None = Field(
        None, description="Input written to the provider's cache. Not given: as input."
    )
    reasoning: Amount | None = Field(None, description="Not given: as output.")
    request: MoneyIn = Field(0, description="Per request, beside the model tokens.")


class PriceRead(BaseModel):
    """What a model costs from a moment on."""

    id: UUID
    model: str
    valid_from: datetime
    currency: str
    """The metering currency (ISO 4217)."""
    input: MoneyOut
    cached_input: MoneyOut
    cache_write: MoneyOut
    output: MoneyOut
    reasoning: MoneyOut
    request: MoneyOut
    created_by: str
    created_at: datetime

    @classmethod
    def of(cls, price: Price, currency: str) -> Self:
        """Show a row."""
        fields = (name for name in cls.model_fields if name != "currency")
        return cls(currency=currency, **{name: getattr(price, name) for name in fields})


class ServedModelRead(BaseModel):
    """A model that enabled channels serve."""

    model: str
    unpriced: bool
    """True: it has no price now, so its calls are flagged or, by the group's policy, blocked."""
    price: PriceRead | None
    free: bool
    """It costs nothing: by its price, or as a local model without one."""
    channels: list[str]
    """Names of the enabled channels that serve it, highest priority first; empty for who may not
    read channels."""


class EndpointRead(BaseModel):
    """Where models are called."""

    base_url: str
    """What OpenAI's clients take for `base_url`."""
    currency: str
    """The metering currency (ISO 4217)."""
