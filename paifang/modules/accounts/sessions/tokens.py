"""The tokens of a session: a short access token, a refresh token that changes with each use."""

from dataclasses import dataclass
from uuid import UUID

from paifang.core.secrets import Secrets
from paifang.modules.accounts.sessions import refresh as codec
from paifang.modules.accounts.sessions.jwt import Jwt, TokenError
from paifang.modules.accounts.settings import AccountsSettings

ACCESS_KIND = "at+jwt"
AUDIENCE = "paifang"


@dataclass(frozen=True, slots=True)
class Access:
    """What an access token says: who, and in which session."""

    user_id: UUID
    session_id: UUID


class SessionTokens:
    """Makes and reads both kinds, each with a key of its own."""

    def __init__(self, secrets: Secrets, settings: AccountsSettings) -> None:
        self._refresh_key = secrets.derived("accounts.refresh-token")
        self._access = Jwt(
            secrets.derived("accounts.access-token"),
            kind=ACCESS_KIND,
            audience=AUDIENCE,
            seconds=settings.access_token_seconds,
        )
        self.access_seconds = settings.access_token_seconds

    def access(self, access: Access, *, now: float) -> str:
        """An access token; ``now`` in unix seconds."""
        claims = {"sub": str(access.user_id), "sid": str(access.session_id)}
        return self._access.make(claims, now=now)

    def read_access(self, token: str, *, now: float) -> Access:
        """What an access token of ours says. Raises :class:`TokenError`."""
        claims = self._access.read(token, now=now)
        try:
            return Access(UUID(claims["sub"]), UUID(claims["sid"]))
        except (KeyError, ValueError, AttributeError, TypeError) as error:
            raise TokenError("its claims are malformed") from error

    def refresh(self, session_id: UUID, counter: int) -> str:
        """The refresh token of a session at a counter."""
        return codec.make(self._refresh_key, codec.Refresh(session_id, counter))

    def read_refresh(self, token: str) -> codec.Refresh:
        """What a refresh token of ours says. Raises :class:`TokenError`."""
        return codec.read(self._refresh_key, token)
