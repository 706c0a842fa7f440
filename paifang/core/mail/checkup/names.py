"""Asking the name servers, in time and without a surprise."""

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

Kind = Literal["TXT", "MX", "A", "AAAA", "PTR", "CNAME"]

PATIENCE = 4.0
"""Seconds for one question, all of its tries together."""


class NotLookedUp(Exception):
    """The question has no answer, neither yes nor no; the message says why."""


class Names(Protocol):
    """Looks names up."""

    async def find(self, name: str, kind: Kind) -> list[str]:
        """The records as text; none when there are none.

        Raises:
            NotLookedUp: nobody answered, or what came was no answer.
        """


class DnsNames:
    """Asks the system's name servers, or the one that is given.

    Args:
        server: ``address`` or ``address:port`` of a name server; empty: the system's.

    Raises:
        ValueError: ``server`` is not an address.
    """

    def __init__(self, server: str = "", *, patience: float = PATIENCE) -> None:
        self._server = _host_and_port(server) if server else None
        self._patience = patience

    async def find(self, name: str, kind: Kind) -> list[str]:
        """See :class:`Names`."""
        from dns import exception, resolver, reversename  # noqa: PLC0415  # megabytes

        try:
            asked: Any = reversename.from_address(name) if kind == "PTR" else f"{name}."
            answer = await self._resolver().resolve(asked, kind, lifetime=self._patience)
        except (resolver.NXDOMAIN, resolver.NoAnswer):
            return []
        except exception.Timeout:
            raise NotLookedUp(f"no name server answered within {self._patience:g} s") from None
        except resolver.NoResolverConfiguration:
            raise NotLookedUp("this machine has no name server set up") from None
        except resolver.NoNameservers:
            raise NotLookedUp("the name server can't answer it") from None
        except (exception.DNSException, OSError, ValueError) as error:
            raise NotLookedUp(f"{type(error).__name__}: {error}") from error
        return [_text(record, kind) for record in answer]

    def _resolver(self) -> "Resolver":
        from dns.asyncresolver import Resolver  # noqa: PLC0415  # as above

        found = Resolver(configure=self._server is None)
        if self._server is not None:
            host, found.port = self._server
            found.nameservers = [host]
        return found


def _text(record: Any, kind: Kind) -> str:
    if kind == "TXT":
        return b"".join(record.strings).decode("utf-8", "replace")
    if kind == "MX":
        return f"{record.preference} {record.exchange.to_text().rstrip('.') or '.'}"
    return str(record.to_text()).rstrip(".")


def _host_and_port(server: str) -> tuple[str, int]:
    host, colon, port = server.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        host, port = server, "53"
    host = host.strip("[]")
    ip_address(host)
    return host, int(port)
