"""What a sign-in answers, whichever way it went; shared by the routes that let somebody in."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from paifang.core.runtime import Runtime
from paifang.modules.accounts.entry import cookies
from paifang.modules.accounts.entry.admission import NeedsFactor
from paifang.modules.accounts.entry.devices import DeviceCookies
from paifang.modules.accounts.entry.service import Entry
from paifang.modules.accounts.users.models import User


class Me(BaseModel):
    """The person who has signed in."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    display_name: str
    locale: str
    avatar: str | None


class SignedIn(BaseModel):
    """An access token for the page to keep in memory; the refresh token is in a cookie."""

    access_token: str
    expires_in: int
    """Seconds."""
    user: Me


class FactorNeeded(BaseModel):
    """All was right so far; go on with one of the factors and the ticket, within five minutes."""

    ticket: str
    factors: list[str]
    """`totp`, `passkey`, `recovery_code`."""
    set_up: bool
    """There is none yet and one is needed: these are what can be set up, with the ticket."""


class SignedInFirst(SignedIn):
    """Signed in, with a second factor that was set up just now."""

    recovery_codes: list[str] | None
    """Shown this once; null where some are left from before."""


def me(user: User) -> Me:
    """A person as they see themselves; the picture as an address."""
    return Me(
        id=user.id,
        email=user.email,
        display_name=user.display_name,
        locale=user.locale,
        avatar=picture(user),
    )


def picture(user: User) -> str | None:
    """The address of a person's picture; it changes with the picture."""
    if user.avatar is None:
        return None
    return f"/api/v1/avatars/{user.avatar.rpartition('/')[2]}"


def answered(
    runtime: Runtime, response: Response, result: Entry | NeedsFactor
) -> SignedIn | FactorNeeded:
    """The answer to who is in, or has one more thing to show or to set up."""
    if isinstance(result, Entry):
        return signed_in(runtime, response, result)
    return FactorNeeded(ticket=result.ticket, factors=result.factors, set_up=result.set_up)


def signed_in(runtime: Runtime, response: Response, entry: Entry) -> SignedIn:
    """The answer to who has come in, with the cookies on ``response``."""
    cookies.write(
        response, entry.refresh_token, seconds=entry.refresh_seconds, https=entry.client.https
    )
    DeviceCookies(runtime.secrets).write(
        response, entry.client.device, entry.user.id, https=entry.client.https
    )
    return SignedIn(
        access_token=entry.access_token, expires_in=entry.access_seconds, user=me(entry.user)
    )
