"""What the API of recovery takes."""

from pydantic import BaseModel, ConfigDict, Field

from paifang.modules.accounts.fields import (
    Email,
    GivenEmail,
    GivenPassword,
    LinkToken,
    NewPassword,
    Solution,
)


class Forgotten(BaseModel):
    """Somebody who has forgotten their password."""

    model_config = ConfigDict(extra="forbid")

    email: GivenEmail
    challenge: Solution | None = None


class Reset(BaseModel):
    """A new password, by the link of a mail."""

    model_config = ConfigDict(extra="forbid")

    token: LinkToken
    password: NewPassword
    sign_out: bool = Field(True, description="End every session of the account.")


class PasswordChange(BaseModel):
    """A new password, by who is signed in."""

    model_config = ConfigDict(extra="forbid")

    password: NewPassword
    current: GivenPassword | None = Field(
        None,
        description="The present one. Not needed shortly after having proved who one is, and not "
        "enough for who has a second factor: they prove it with that first.",
    )


class EmailChange(BaseModel):
    """Another mail address."""

    model_config = ConfigDict(extra="forbid")

    email: Email


class Token(BaseModel):
    """The token of a mail's link."""

    model_config = ConfigDict(extra="forbid")

    token: LinkToken
