"""What ``/api/option`` takes."""

from pydantic import BaseModel, Field, RootModel

Value = str | bool | int | float


class OptionIn(BaseModel):
    """Another value of an option."""

    key: str = Field(min_length=1)
    value: Value


class OptionsIn(RootModel[dict[str, Value]]):
    """Other values of several options: all are taken, or none."""


def as_text(value: Value) -> str:
    """A value as options are shown: text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
