"""What the API of newcomers takes and gives."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Registration = Literal["open", "invitation", "approval"]
Limit = Annotated[int, Field(strict=True, ge=1, le=10**12)]


class NewPersonSettings(BaseModel):
    """What a new person's own group may use."""

    model_config = ConfigDict(extra="forbid")

    models: list[Annotated[str, Field(min_length=1, max_length=128)]] | None = Field(
        max_length=1000, description="Names of models beside the local ones; null: all."
    )
    local_models: bool
    rpm: Limit | None
    tpm: Limit | None
    concurrency: Limit | None
    quota: Annotated[str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?$")] | None = Field(
        description="What the group may spend, in the metering currency; null: no limit."
    )


class NewcomersSettings(BaseModel):
    """Who may come in, and with what."""

    model_config = ConfigDict(extra="forbid")

    registration: Registration
    new_person: NewPersonSettings
