"""A mail server on the loopback, spoken to over real SMTP."""

import asyncio
import email
import email.message
import email.policy
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiosmtpd.smtp import SMTP

HOST = "127.0.0.1"


class Postbox:
    """A handler of ``aiosmtpd`` that keeps what it takes and refuses when it is told to."""

    def __init__(self) -> None:
        self.received: list[email.message.EmailMessage] = []
        self.envelopes = []
        self.tls: list[bool] = []
        self.on_rcpt = self.on_data = ""
        self.hold: asyncio.Event | None = None
        self.reached = asyncio.Event()

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, server, session, envelope, address, options
    ):
        """Take or refuse a recipient."""
        if self.on_rcpt:
            return self.on_rcpt
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  # aiosmtpd's name
        """Take or refuse a message."""
        self.reached.set()
        if self.hold:
            await self.hold.wait()
        if self.on_data:
            return self.on_data
        content = email.message_from_bytes(envelope.content, policy=email.policy.SMTP)
        self.received.append(content)
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        self.tls.append(session.ssl is not None)
        return "250 taken"


@asynccontextmanager
async def smtp_server(
    box: Postbox, *, port: int = 0, tls: ssl.SSLContext | None = None, **options
) -> AsyncIterator[int]:
    """A server on the loopback; its port. ``tls`` is TLS from the start."""
    loop = asyncio.get_running_loop()
    made = []

    def protocol():
        made.append(SMTP(box, loop=loop, enable_SMTPUTF8=False, **options))
        return made[-1]

    server = await loop.create_server(protocol, HOST, port, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for one in made:
            if one.transport:
                one.transport.close()
        await server.wait_closed()
