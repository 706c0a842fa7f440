"""What ``/api/models`` gives."""

from typing import Self

from pydantic import BaseModel

from paifang.modules.gateway.compat.values import per_thousand
from paifang.modules.gateway.prices.models import Price


class ProxyPrice(BaseModel):
    """What a model costs per thousand model tokens, in the metering currency."""

    prompt: float
    completion: float
    unset: bool
    """There is no price: not free, but unknown."""

    @classmethod
    def of(cls, price: Price | None) -> Self:
        """Show a row."""
        if price is None:
            return cls(prompt=0.0, completion=0.0, unset=True)
        return cls(
            prompt=per_thousand(price.input),
            completion=per_thousand(price.output),
            unset=False,
        )
