"""The relay: everything under ``/v1``.

A raw ASGI application, with a shorter way in for a server that offers one
(:mod:`paifang.core.exchange`).
"""

import asyncio
import logging
import time
from collections.abc import Mapping

from paifang.core.exchange import ClientGone, Exchange, Handler
from paifang.modules.gateway.relay.admission import Admission
from paifang.modules.gateway.relay.asgi import AsgiExchange, Receive, Scope, Send
from paifang.modules.gateway.relay.attempt import Upstreams
from paifang.modules.gateway.relay.auth import (
    Known,
    authenticate,
    check_address,
    know,
    read_head,
)
from paifang.modules.gateway.relay.call import Call
from paifang.modules.gateway.relay.dialect import ENDPOINTS
from paifang.modules.gateway.relay.errors import SERVER, Refusal, journal_full, retry_after
from paifang.modules.gateway.relay.journal import Journal
from paifang.modules.gateway.relay.listing import MODELS_PATH, list_models, one_model
from paifang.modules.gateway.relay.local import LocalModels
from paifang.modules.gateway.relay.record import new_request_id
from paifang.modules.gateway.relay.reply import send_json, send_refusal
from paifang.modules.gateway.relay.routing import Router
from paifang.modules.gateway.relay.settings import RelaySettings
from paifang.modules.gateway.relay.shared import SharedAdmission
from paifang.modules.gateway.relay.snapshot import Snapshot
from paifang.modules.gateway.relay.stats import Counters, bump
from paifang.modules.gateway.relay.upstream import Pool

log = logging.getLogger(__name__)


class Relay:
    """Receives clients' calls, forwards them and meters them.

    It owns no resource: whoever makes the journal and the pool closes them, after
    :meth:`close`. It must be used on one event loop.

    Args:
        journal: Takes one record per call.
        pool: Connections to upstreams.
        admission: Decides whether a call may begin.
        internal_key: Signs and checks internal credentials; at least 16 bytes.
        local: Runs local models; without it their channels answer 503.
        settings: Limits and waits.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        pool: Pool,
        admission: Admission | SharedAdmission,
        internal_key: bytes,
        local: LocalModels | None = None,
        settings: RelaySettings | None = None,
    ) -> None:
        self.journal = journal
        self.settings = settings or RelaySettings()
        self.counters = Counters()
        self.admission = admission
        self.router = Router(max_cooldown=self.settings.max_cooldown)
        self.upstreams = Upstreams(
            pool=pool,
            router=self.router,
            local=local,
            settings=self.settings,
            counters=self.counters,
        )
        self.young: set[Call] = set()
        """Calls whose clients are not watched yet."""
        self._internal_key = internal_key
        self._snapshot = Snapshot()
        self._calls: set[Call] = set()
        self._idle: asyncio.Event | None = None
        self._draining = False
        self._ticking = False
        self._journal_full_until = 0.0

    @property
    def hot(self) -> Mapping[bytes, Handler]:
        """Handlers for a server that has exchanges of its own, by the path they take POSTs to."""
        return dict.fromkeys((path.encode("ascii") for path in ENDPOINTS), self.serve)

    @property
    def snapshot(self) -> Snapshot:
        """What calls that start now are decided on."""
        return self._snapshot

    @property
    def in_flight(self) -> int:
        """Calls of authenticated callers that are not over."""
        return len(self._calls)

    @property
    def draining(self) -> bool:
        """New calls are refused."""
        return self._draining

    def use(self, snapshot: Snapshot) -> None:
        """Decide every call that starts from now on by this snapshot."""
        self.admission.use(snapshot)
        self.upstreams.forget()
        channels = {c.id for channels in snapshot.channels.values() for c in channels}
        self.router.keep_only(channels)
        self._snapshot = snapshot

    def drain(self) -> None:
        """Refuse new calls with 503; those in flight go on."""
        self._draining = True

    async def wait_idle(self, seconds: float) -> bool:
        """Wait until no call is in flight; False when some still are after ``seconds``."""
        if not self._calls:
            return True
        self._idle = asyncio.Event()
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def close(self, seconds: float = 5.0) -> None:
        """Drain, end what is still in flight, and wait until it is recorded.

        Streams end with an error event and the record says ``interrupted``; calls without an
        answer get 503.
        """
        self.drain()
        for call in list(self._calls):
            call.abort("shutdown")
        if not await self.wait_idle(seconds):
            log.error("%d calls did not end within %g s", len(self._calls), seconds)
        await self.upstreams.local_pool.close()

    def journal_is_full(self) -> None:
        """A record found no room: make no calls for a while."""
        self.counters.journal_full += 1
        self._journal_full_until = time.monotonic() + self.settings.journal_retry
        log.error("the journal is full: calls are refused until it has room")

    def _look_for_room(self) -> None:
        """Refuse the call while the journal is full. No call is made to find out."""
        if time.monotonic() < self._journal_full_until:
            raise journal_full()
        if not self.journal.has_room():
            self._journal_full_until = time.monotonic() + self.settings.journal_retry
            raise journal_full()
        self._journal_full_until = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request of an ASGI server."""
        if scope["type"] != "http":
            raise RuntimeError(f"the relay serves HTTP, not {scope['type']}")
        exchange = AsgiExchange(scope, receive, send)
        if scope["method"] == "POST" and scope["path"] in ENDPOINTS:
            await self.serve(exchange)
            return
        now = time.time()
        request_id = new_request_id(now)
        try:
            await self._other(exchange, scope["method"], request_id, now)
        except Refusal as refusal:
            await self._turn_away(exchange, refusal, request_id)
        except ClientGone:
            log.debug("a client left before its answer")

    async def serve(self, exchange: Exchange) -> None:
        """Serve one POST to one of :data:`ENDPOINTS`."""
        started_at = time.time()
        request_id = new_request_id(started_at)
        snapshot = self._snapshot
        known: Known | None = exchange.note
        try:
            if self._draining:
                raise _draining()
            if known is None or known.snapshot is not snapshot or started_at >= known.until:
                head = read_head(exchange.headers)
                caller = authenticate(
                    snapshot, head, internal_key=self._internal_key, now=started_at
                )
                exchange.note = known = know(snapshot, head, caller)
                stated = head.content_length
            else:
                stated = None  # it is another request's, and this one's body is here
            if self._journal_full_until:
                self._look_for_room()
        except Refusal as refusal:
            await self._turn_away(exchange, refusal, request_id)
            return
        call = Call(self, exchange, snapshot, known, request_id, started_at)
        self._calls.add(call)
        self.young.add(call)
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(self.settings.watch_after, self._tick)
        try:
            await call.run(stated)
        finally:
            self._calls.discard(call)
            if not self._calls and self._idle is not None:
                self._idle.set()

    async def _turn_away(self, exchange: Exchange, refusal: Refusal, request_id: str) -> None:
        """Refuse a request whose caller is not known, or not served."""
        bump(self.counters.unauthenticated, refusal.code)
        try:
            await send_refusal(exchange, refusal, request_id)
        except ClientGone:
            log.debug("a client left before its refusal")

    def _tick(self) -> None:
        """Watch the clients of calls that last, and end calls whose bodies do not come.

        One timer for all calls: most are over before it comes, and have cost nothing for it.
        """
        settings = self.settings
        for call in list(self.young):
            age = call.age()
            if call.reading:
                if age > settings.body_timeout:
                    call.abort("body_timeout")
            elif age >= settings.watch_after:
                self.young.discard(call)
                call.watch()
        self._ticking = bool(self.young)
        if self._ticking:
            asyncio.get_running_loop().call_later(settings.watch_after, self._tick)

    async def _other(self, exchange: Exchange, method: str, request_id: str, now: float) -> None:
        """Everything but the calls themselves: the model list, and mistakes."""
        path = exchange.path
        listing = path == MODELS_PATH or path.startswith(MODELS_PATH + "/")
        if not listing and path not in ENDPOINTS:
            raise Refusal(
                404,
                "unknown_url",
                f"There is no {path[:200]!r} here. This gateway answers "
                f"{', '.join([*ENDPOINTS, MODELS_PATH])}.",
            )
        allowed = "GET" if listing else "POST"
        if method != allowed:
            raise Refusal(
                405,
                "method_not_allowed",
                f"{path[:200]} takes {allowed}, not {method[:20]}.",
                headers=((b"allow", allowed.encode("ascii")),),
            )
        if self._draining:
            raise _draining()
        head = read_head(exchange.headers)
        caller = authenticate(self._snapshot, head, internal_key=self._internal_key, now=now)
        check_address(caller, exchange.address)
        if path == MODELS_PATH:
            await send_json(exchange, list_models(self._snapshot, caller), request_id)
        else:
            model = path[len(MODELS_PATH) + 1 :]
            await send_json(exchange, one_model(self._snapshot, caller, model), request_id)


def _draining() -> Refusal:
    return Refusal(
        503,
        "shutting_down",
        "The gateway is shutting down. Try again in a moment.",
        kind=SERVER,
        headers=(retry_after(1),),
        blame="relay",
        close=True,
    )
