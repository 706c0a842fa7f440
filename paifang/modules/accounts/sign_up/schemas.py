"""What the API of signing up takes and gives."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from paifang.modules.accounts.fields import (
    DisplayName,
    Email,
    GivenEmail,
    LinkToken,
    Locale,
    NewPassword,
    Solution,
)


class SignUp(BaseModel):
    """Somebody who wants an account."""

    model_config = ConfigDict(extra="forbid")

    email: Email
    password: NewPassword
    display_name: DisplayName
    locale: Locale = "en"
    invitation: LinkToken | None = Field(None, description="The token of an invitation.")
    challenge: Solution | None = None


class MailAgain(BaseModel):
    """Somebody who did not get the mail."""

    model_config = ConfigDict(extra="forbid")

    email: GivenEmail
    challenge: Solution | None = None


class LinkTaken(BaseModel):
    """The token of a mail's link."""

    model_config = ConfigDict(extra="forbid")

    token: LinkToken


class SetUp(BaseModel):
    """The first administrator."""

    model_config = ConfigDict(extra="forbid")

    token: LinkToken
    email: Email
    password: NewPassword
    display_name: DisplayName


class Asked(BaseModel):
    """What is asked for takes a mail, or an administrator."""

    next: Annotated[str, StringConstraints(pattern="^(mail|approval)$")]
    """`mail`: read yours, if the address can have an account. `approval`: an administrator has to
    say yes; a mail will tell."""


class ProviderRead(BaseModel):
    """Another service one can sign in with."""

    id: str
    name: str


class Policy(BaseModel):
    """What a sign-in page has to know."""

    registration: str
    """`open`, `invitation` or `approval`."""
    mail: bool
    """Mail leaves the house. Else an administrator finds it in the inbox of the console."""
    insecure: bool
    """Plain HTTP from another machine: what is typed can be read on the way."""
    passkeys: bool
    """The page's address may have passkeys: HTTPS, or localhost."""
    providers: list[ProviderRead]
    challenge: bool
    """Signing up and the like ask for a proof of work."""
    password_length: int
    """Fewest characters of a new password."""
    setup: bool
    """There is no administrator yet; the set-up link makes one."""
