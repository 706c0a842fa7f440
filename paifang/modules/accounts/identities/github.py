"""GitHub, which speaks OAuth 2.0 and an API of its own: a user, and their mail addresses."""

from dataclasses import dataclass
from typing import Any

from paifang.core.outbound import OutboundError, call
from paifang.modules.accounts.providers.kinds import Provider

PUBLIC = "https://github.com"


@dataclass(frozen=True, slots=True)
class GitHubUser:
    """A user of GitHub."""

    subject: str
    """Their number: names can be given up, and taken by others."""
    login: str
    name: str
    email: str | None
    """The primary address, if it is verified."""


def authorize_url(provider: Provider) -> str:
    """Where the browser is sent."""
    return f"{provider.issuer}/login/oauth/authorize"


def token_url(provider: Provider) -> str:
    """Where codes are exchanged."""
    return f"{provider.issuer}/login/oauth/access_token"


def issuers(provider: Provider) -> set[str]:
    """How it may call itself in the answer to an authorization request."""
    return {provider.issuer, f"{provider.issuer}/login/oauth"}


def _api(provider: Provider) -> str:
    # A server of one's own has its API below its own address.
    return "https://api.github.com" if provider.issuer == PUBLIC else f"{provider.issuer}/api/v3"


async def user(provider: Provider, token: str, *, seconds: float) -> GitHubUser:
    """Whose access token it is. Raises :class:`~paifang.core.outbound.OutboundError`."""
    found = await _get(provider, "/user", token, seconds)
    number = found.get("id") if isinstance(found, dict) else None
    if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
        raise OutboundError("/user names nobody")
    login = str(found.get("login") or number)[:255]
    name = found.get("name")
    return GitHubUser(
        subject=str(number),
        login=login,
        name=name.strip()[:255] if isinstance(name, str) and name.strip() else login,
        email=_primary(await _get(provider, "/user/emails", token, seconds)),
    )


def _primary(addresses: Any) -> str | None:
    if not isinstance(addresses, list):
        return None
    for entry in addresses:
        if not isinstance(entry, dict):
            continue
        if entry.get("primary") is True and entry.get("verified") is True:
            email = entry.get("email")
            return email if isinstance(email, str) else None
    return None


async def _get(provider: Provider, path: str, token: str, seconds: float) -> Any:
    answer = await call(
        "GET",
        f"{_api(provider)}{path}",
        trusted=provider.trusted,
        seconds=seconds,
        headers={
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "User-Agent": "Paifang",
        },
    )
    if answer.status != 200:
        raise OutboundError(f"{path} answered {answer.status}")
    return answer.any_json()
