"""A name server on the loopback, asked over real DNS (UDP)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.reversename
import dns.rrset

HOST = "127.0.0.1"


class Zone:
    """What it knows, by name and type. ``mode`` is ``answer``, ``silent``, ``broken`` or
    ``garbage``.
    """

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        self.asked: list[tuple[str, str]] = []
        self.mode = "answer"

    def add(self, name: str, kind: str, *values: str) -> None:
        """Add records; a PTR is given by its address, a TXT without its quotes."""
        if kind == "PTR":
            name = dns.reversename.from_address(name).to_text(omit_final_dot=True)
        if kind == "TXT":
            # A string of DNS has at most 255 bytes; a longer text is several of them.
            values = tuple(
                " ".join(f'"{value[at : at + 255]}"' for at in range(0, len(value), 255))
                for value in values
            )
        self.records.setdefault((name.lower(), kind), []).extend(values)

    def answer(self, wire: bytes) -> bytes | None:
        """The answer to one question."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if self.mode == "silent":
            return None
        if self.mode == "garbage":
            return wire[:2] + b"\xff" * 20
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA | dns.flags.RA
        if self.mode == "broken":
            response.set_rcode(dns.rcode.SERVFAIL)
            return response.to_wire()
        values = self.records.get((name, kind), [])
        if values:
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *values))
        elif name not in {known for known, _kind in self.records}:
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()


class _Server(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self.zone = zone

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if (answer := self.zone.answer(data)) is not None:
            self.transport.sendto(answer, addr)


@asynccontextmanager
async def name_server(zone: Zone, *, port: int = 0) -> AsyncIterator[str]:
    """A server on the loopback; ``address:port``."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Server(zone), (HOST, port))
    try:
        yield f"{HOST}:{transport.get_extra_info('sockname')[1]}"
    finally:
        transport.close()
