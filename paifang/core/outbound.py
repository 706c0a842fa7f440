"""Calls to other services' HTTP APIs whose addresses are not all the operator's own words.

Against server-side request forgery: only the hosts that the operator has named may be anywhere.
Any other, for example one that a document of theirs names, is called by https alone and at public
addresses alone; the address that was looked at is the one that is called, whatever the name means a
moment later. No redirect is followed, no proxy of the environment is asked, an answer has a size
and the whole call a time.
"""

import asyncio
import functools
import socket
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpx
import orjson

LARGEST = 1_048_576
"""Bytes of an answer that are read."""


class OutboundError(Exception):
    """The other service was not called, or gave no answer that can be used; for the log."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other service said."""

    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            OutboundError: it is none.
        """
        found = self.any_json()
        if not isinstance(found, dict):
            raise OutboundError("the answer is not a JSON object")
        return found

    def any_json(self) -> Any:
        """The body as JSON. Raises :class:`OutboundError` when it is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise OutboundError("the answer is not JSON") from error


async def call(
    method: str,
    url: str,
    *,
    trusted: Collection[str],
    seconds: float,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
) -> Answer:
    """Make one call.

    Args:
        method: ``GET`` or ``POST``.
        url: Where to.
        trusted: Hosts, in lower case, that the operator has named.
        seconds: How long the whole of it may take.
        headers: What to send beside the usual.
        form: A body, form-encoded.

    Raises:
        OutboundError: it may not be called, does not answer in time, or answers too much.
    """
    # Made before the clock runs: the first one reads the system's certificates.
    client = httpx.AsyncClient(
        transport=Guarded(trusted), follow_redirects=False, trust_env=False, timeout=seconds
    )
    try:
        async with (
            client,
            asyncio.timeout(seconds),
            client.stream(method, url, headers=headers, data=form) as response,
        ):
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > LARGEST:
                    raise OutboundError(f"the answer is over {LARGEST} bytes")
            return Answer(response.status_code, bytes(body))
    except TimeoutError:
        raise OutboundError(f"no answer within {seconds:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise OutboundError(f"{type(error).__name__}: {error}") from error


class Guarded(httpx.AsyncBaseTransport):
    """Connects to trusted hosts wherever they are, and to others at public addresses alone.

    Args:
        trusted: Hosts in lower case.
    """

    def __init__(self, trusted: Collection[str]) -> None:
        self._trusted = trusted
        self._inner = httpx.AsyncHTTPTransport(verify=_context())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Look at where it goes, and send it there."""
        host = request.url.host
        if host in self._trusted:
            return await self._inner.handle_async_request(request)
        if request.url.scheme != "https":
            raise OutboundError(f"{host} is to be called without https")
        addresses = await _addresses(host, request.url.port or 443)
        if not all(is_public(address) for address in addresses):
            raise OutboundError(f"{host} is not at a public address")
        request.extensions = {**request.extensions, "sni_hostname": host}
        url, failure = request.url, OutboundError(f"{host} has no address")
        for address in addresses:
            # The Host header was set before, and the certificate is still to be the name's.
            request.url = url.copy_with(host=str(address))
            try:
                return await self._inner.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = OutboundError(f"{host} can't be reached: {error}")
        raise failure

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()


@functools.cache
def _context() -> ssl.SSLContext:
    return httpx.create_ssl_context()


async def _addresses(host: str, port: int) -> list[IPv4Address | IPv6Address]:
    try:
        return [ip_address(host)]
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise OutboundError(f"{host} is not known: {error}") from error
    return list(
        dict.fromkeys(ip_address(str(address[0]).partition("%")[0]) for *_, address in found)
    )


_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the public internet, also behind a translation to IPv6."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast
