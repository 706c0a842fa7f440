"""The relay: a raw ASGI application for every path under ``/v1``."""

import asyncio
import logging
import time
from collections.abc import MutableMapping
from typing import Any

from paifang.core.limits import Limiter
from paifang.modules.gateway.relay.admission import Admission
from paifang.modules.gateway.relay.attempt import Upstreams
from paifang.modules.gateway.relay.auth import (
    Caller,
    RequestHead,
    authenticate,
    check_address,
    read_head,
)
from paifang.modules.gateway.relay.body import Receive
from paifang.modules.gateway.relay.call import Call
from paifang.modules.gateway.relay.dialect import ENDPOINTS
from paifang.modules.gateway.relay.errors import SERVER, Refusal, journal_full, retry_after
from paifang.modules.gateway.relay.journal import Journal
from paifang.modules.gateway.relay.listing import MODELS_PATH, list_models, one_model
from paifang.modules.gateway.relay.local import LocalModels
from paifang.modules.gateway.relay.record import (
    MAX_IP,
    MAX_USER_AGENT,
    Record,
    new_request_id,
)
from paifang.modules.gateway.relay.reply import Send, send_json, send_refusal
from paifang.modules.gateway.relay.routing import Router
from paifang.modules.gateway.relay.settings import RelaySettings
from paifang.modules.gateway.relay.snapshot import Snapshot
from paifang.modules.gateway.relay.stats import Counters, bump
from paifang.modules.gateway.relay.upstream import Pool

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]


class Relay:
    """Receives clients' calls, forwards them and meters them.

    It owns no resource: whoever makes the journal and the pool closes them, after
    :meth:`close`. It must be used on one event loop.

    Args:
        journal: Takes one record per call.
        pool: Connections to upstreams.
        limiter: Rates and concurrency.
        internal_key: Signs and checks internal credentials; at least 16 bytes.
        local: Runs local models; without it their channels answer 503.
        settings: Limits and waits.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        pool: Pool,
        limiter: Limiter,
        internal_key: bytes,
        local: LocalModels | None = None,
        settings: RelaySettings | None = None,
    ) -> None:
        self.journal = journal
        self.settings = settings or RelaySettings()
        self.counters = Counters()
        self.admission = Admission(limiter)
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        if scope["type"] != "http":
            raise RuntimeError(f"the relay serves HTTP, not {scope['type']}")
        started_at = time.time()
        request_id = new_request_id(started_at)
        snapshot = self._snapshot
        path: str = scope["path"]
        endpoint = ENDPOINTS.get(path)
        try:
            method = scope["method"]
            if endpoint is None or method != "POST":
                await self._other(scope, send, path, request_id, started_at)
                return
            if self._draining:
                raise _draining()
            head = read_head(scope["headers"])
            caller = authenticate(snapshot, head, internal_key=self._internal_key, now=started_at)
            if self._journal_full_until and time.monotonic() < self._journal_full_until:
                raise journal_full()
        except Refusal as refusal:
            bump(self.counters.unauthenticated, refusal.code)
            await send_refusal(send, refusal, request_id)
            return
        record = _record(scope, request_id, started_at, caller, head)
        call = Call(
            self,
            snapshot=snapshot,
            endpoint=endpoint,
            caller=caller,
            head=head,
            record=record,
            receive=receive,
            send=send,
        )
        self._calls.add(call)
        self.young.add(call)
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(self.settings.watch_after, self._tick)
        try:
            await call.run()
        finally:
            self._calls.discard(call)
            if not self._calls and self._idle is not None:
                self._idle.set()

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

    async def _other(
        self, scope: Scope, send: Send, path: str, request_id: str, now: float
    ) -> None:
        """Everything but the calls themselves: the model list, and mistakes."""
        method = scope["method"]
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
        head = read_head(scope["headers"])
        caller = authenticate(self._snapshot, head, internal_key=self._internal_key, now=now)
        check_address(caller, _address(scope))
        if path == MODELS_PATH:
            await send_json(send, list_models(self._snapshot, caller), request_id)
        else:
            model = path[len(MODELS_PATH) + 1 :]
            await send_json(send, one_model(self._snapshot, caller, model), request_id)


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _record(
    scope: Scope, request_id: str, started_at: float, caller: Caller, head: RequestHead
) -> Record:
    token = caller.token
    return Record(
        request_id=request_id,
        started_at=started_at,
        group_id=caller.group.id,
        model="",
        endpoint=scope["path"],
        token_id=None if token is None else token.id,
        token_name="" if token is None else token.name,
        person=caller.person,
        purpose=caller.purpose,
        ip=_address(scope)[:MAX_IP],
        user_agent=head.user_agent[:MAX_USER_AGENT],
    )


def _draining() -> Refusal:
    return Refusal(
        503,
        "shutting_down",
        "The gateway is shutting down. Try again in a moment.",
        kind=SERVER,
        headers=(retry_after(1), (b"connection", b"close")),
        blame="relay",
    )
