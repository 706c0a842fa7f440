"""Who a request comes from, as far as a request tells: address, browser, known devices, HTTPS."""

from dataclasses import dataclass, replace

from fastapi import Request

from paifang.core.runtime import Runtime
from paifang.modules.accounts.entry import cookies
from paifang.modules.accounts.entry.devices import Device, DeviceCookies
from paifang.modules.accounts.sessions.service import Origin
from paifang.modules.accounts.settings import AccountsSettings


@dataclass(frozen=True, slots=True)
class Client:
    """Where somebody signs in from."""

    origin: Origin
    device: Device
    """The browser, by the cookie we gave it; a new one when it brought none."""
    https: bool
    token: str = ""
    """The refresh token it brought: of the session that a new one takes the place of."""

    @property
    def address(self) -> str:
        """The client's address; empty when the server does not know it."""
        return self.origin.address

    def without_cookie(self) -> "Client":
        """The same, for tokens that are a program's and take no session's place."""
        return replace(self, token="")


def by_https(request: Request) -> bool:
    """Whether people come by HTTPS: the request did, or the public address says so."""
    runtime: Runtime = request.app.state.runtime
    return request.url.scheme == "https" or runtime.settings.by_https


def is_insecure(request: Request) -> bool:
    """Whether what is typed can be read on the way: plain HTTP from another machine."""
    host = (request.url.hostname or "").lower()
    here = host in {"localhost", "::1"} or host.endswith(".localhost") or host.startswith("127.")
    return not by_https(request) and not here


def client_of(request: Request) -> Client:
    """What a request tells of its sender."""
    runtime: Runtime = request.app.state.runtime
    header = runtime.settings.area(AccountsSettings).place_header
    place = request.headers.get(header, "")[:64] if header else ""
    https = by_https(request)
    return Client(
        origin=Origin(
            address=request.client.host if request.client else "",
            agent=_printable(request.headers.get("user-agent", "")),
            place=_printable(place) or None,
        ),
        device=DeviceCookies(runtime.secrets).read(request.cookies, https=https),
        https=https,
        token=cookies.read(request, https=https),
    )


def _printable(text: str) -> str:
    return "".join(character for character in text[:255] if character.isprintable())
