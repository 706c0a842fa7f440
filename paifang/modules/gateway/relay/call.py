"""One call of an authenticated caller, from its body to its record.

Whatever happens, exactly one record goes to the journal, and it goes there before the answer's
last byte: what a client has received in full is always billed. An answer whose record finds no
room is withheld.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from paifang.modules.gateway.relay.attempt import Attempt, JsonReply, StreamReply
from paifang.modules.gateway.relay.auth import Caller, RequestHead, check_address
from paifang.modules.gateway.relay.body import Receive, Request, parse_request, read_body
from paifang.modules.gateway.relay.dialect import (
    Endpoint,
    HeaderList,
    refuse_failure,
    upstream_refusal,
)
from paifang.modules.gateway.relay.errors import (
    Blame,
    ClientGone,
    Refusal,
    body_too_slow,
    cut_by_shutdown,
    internal_error,
    journal_full,
)
from paifang.modules.gateway.relay.journal import JournalFull
from paifang.modules.gateway.relay.listing import model_not_found
from paifang.modules.gateway.relay.meter import cost_of, estimate_answer, price_at
from paifang.modules.gateway.relay.record import MAX_ERROR, MAX_MODEL, Outcome, Record, Usage
from paifang.modules.gateway.relay.reply import Send, send_refusal
from paifang.modules.gateway.relay.snapshot import Price, Snapshot
from paifang.modules.gateway.relay.upstream import UpstreamError
from paifang.modules.gateway.relay.usage import estimate_prompt

if TYPE_CHECKING:
    from paifang.modules.gateway.relay.admission import Admitted
    from paifang.modules.gateway.relay.app import Relay

log = logging.getLogger(__name__)

STREAM_HEADERS = ((b"cache-control", b"no-store"), (b"x-accel-buffering", b"no"))
"""A stream must not be kept, and a proxy in front must not collect it."""

KEEP_REQUEST = 64 * 1024
"""A stream may last: a larger request is let go of when its stream begins, its prompt estimated
beforehand."""

Abort = Literal["client_gone", "body_timeout", "shutdown"]

_OUTCOMES: dict[Blame, Outcome] = {
    "client": "refused",
    "relay": "refused",
    "upstream": "upstream_error",
    "answer": "completed",
}


class Call:
    """A call in flight. :meth:`run` never raises but for its task's being cancelled from outside.

    The relay's ticker calls :meth:`watch` when it has lasted a while, and may :meth:`abort` it.
    """

    __slots__ = (
        "_abort", "_admitted", "_attempt", "_began", "_caller", "_endpoint", "_final", "_head",
        "_price", "_prompt", "_receive", "_recorded", "_relay", "_reply", "_request", "_send",
        "_snapshot", "_started", "_task", "_watcher", "reading", "record",
    )  # fmt: skip

    def __init__(
        self,
        relay: "Relay",
        *,
        snapshot: Snapshot,
        endpoint: Endpoint,
        caller: Caller,
        head: RequestHead,
        record: Record,
        receive: Receive,
        send: Send,
    ) -> None:
        self._relay = relay
        self._snapshot = snapshot
        self._endpoint = endpoint
        self._caller = caller
        self._head = head
        self.record = record
        self._receive = receive
        self._send = send
        self._began = time.perf_counter()
        self._task: asyncio.Task[Any] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._abort: Abort | None = None
        self._request: Request | None = None
        self._attempt: Attempt | None = None
        self._admitted: Admitted | None = None
        self._reply: StreamReply | None = None
        self._price: Price | None = None
        self._prompt: int | None = None
        self._started = False
        self._recorded = False
        self._final = False
        self.reading = True
        """The body is still on its way; the call itself notices a client that leaves."""

    async def run(self) -> None:
        """Serve the call."""
        self._task = asyncio.current_task()
        try:
            await self._serve()
        except Refusal as refusal:
            await self._refuse(refusal)
        except ClientGone:
            self._record_end("client_gone", "client_gone")
        except asyncio.CancelledError:
            await self._aborted()
        except Exception:
            log.exception("call %s failed by a fault of the relay", self.record.request_id)
            await self._refuse(internal_error())
        finally:
            if not self._recorded:  # a fault in what was to record the call
                self._record_end("interrupted", "internal_error")
            self._quiet()
            if self._admitted is not None:
                self._admitted.release(self._tokens())
            if self._attempt is not None:
                done = self.record.outcome == "completed" and self._abort is None
                await self._attempt.end(self._relay.settings.end_of_stream_wait if done else 0)

    def age(self) -> float:
        """Seconds since the call began."""
        return time.perf_counter() - self._began

    def watch(self) -> None:
        """Notice from now on when the client leaves."""
        if self._watcher is None and not self._final:
            self._watcher = asyncio.get_running_loop().create_task(self._watch())

    def abort(self, reason: Abort) -> None:
        """End the call from outside, unless its answer is already on its last leg."""
        if self._abort is None and not self._final and self._task is not None:
            self._abort = reason
            self._task.cancel()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.abort("client_gone")

    def _quiet(self) -> None:
        """From here on nothing interrupts: the record is written, the rest goes out."""
        self._final = True
        self._relay.young.discard(self)
        if self._watcher is not None:
            self._watcher.cancel()

    async def _serve(self) -> None:
        relay, record = self._relay, self.record
        check_address(self._caller, record.ip)
        raw = await read_body(
            self._receive, relay.settings.max_body_bytes, self._head.content_length
        )
        self.reading = False
        request = self._request = parse_request(raw, streams=self._endpoint.streams)
        record.model = request.model[:MAX_MODEL]
        record.stream = request.stream
        channels = self._snapshot.channels.get(request.model)
        if not channels or not self._caller.may_use(request.model):
            raise model_not_found(request.model)
        self._price = price_at(self._snapshot.prices, request.model, record.started_at)
        if self._price is None and self._caller.group.unpriced == "block":
            raise Refusal(
                403,
                "model_not_priced",
                f"The model {request.model!r} has no price, and the group "
                f"{self._caller.group.id!r} may not call models without one. Ask an "
                "administrator to set its price.",
                param="model",
            )
        self._admitted = relay.admission.admit(self._caller, request, self._price)
        self._attempt = Attempt(relay.upstreams, self._endpoint, request, record)
        reply = await self._attempt.reply(channels)
        if isinstance(reply, JsonReply):
            await self._answer(request, reply)
        else:
            await self._stream(reply)

    async def _answer(self, request: Request, reply: JsonReply) -> None:
        usage = reply.answer.usage or self._safely(
            lambda: estimate_answer(request.data, reply.answer), None
        )
        self._finish("completed", 200, usage)
        headers = reply.headers
        headers.append((b"content-length", b"%d" % len(reply.body)))
        await self._send_last(reply.body, headers)

    async def _stream(self, reply: StreamReply) -> None:
        """Pass a stream on as it comes, its end held back until the record is written."""
        self._reply = reply
        self._forget_request()
        meter = reply.meter
        reply.headers += STREAM_HEADERS
        out = reply.held
        refusal: Refusal | None = None
        try:
            while not meter.done:
                if out:
                    await self._send_part(reply, out)
                chunk = await anext(reply.response, None)
                if chunk is None:
                    out = meter.flush()
                    break
                out = meter.feed(chunk)
        except UpstreamError as error:
            out = meter.cut()
            refusal = refuse_failure(error, self.record.model)
            log.warning("stream of call %s broke off: %s", self.record.request_id, error)
        meter.delivered()
        if refusal is None and meter.error is None and not meter.finished():
            out += meter.cut()
            refusal = upstream_refusal(
                502,
                "upstream_reset",
                f"The upstream of the model {self.record.model!r} ended its answer too early.",
            )
        await self._end_stream(reply, out, refusal)

    async def _end_stream(self, reply: StreamReply, out: bytes, refusal: Refusal | None) -> None:
        error = ""
        if refusal is not None:
            out += refusal.event()
            error = refusal.code
        elif reply.meter.error is not None:
            error = "upstream_error"
        usage = self._metered(reply, complete=not error)
        self._finish("interrupted" if error else "completed", 200, usage, error)
        await self._send_last(out, reply.headers)

    async def _refuse(self, refusal: Refusal) -> None:
        """End with an error: as the answer, or as the last event of a stream that has begun."""
        self._quiet()
        status = 200 if self._started else refusal.status
        outcome: Outcome = "interrupted" if self._started else _OUTCOMES[refusal.blame]
        try:
            self._finish(outcome, status, self._delivered(), refusal.code)
        except Refusal as full:
            refusal = full
        try:
            if self._started:
                cut = b"" if self._reply is None else self._reply.meter.cut()
                await self._send_last(cut + refusal.event(), [])
            else:
                await send_refusal(self._send, refusal, self.record.request_id)
        except OSError:
            log.debug("client of call %s left before its error", self.record.request_id)

    def _record_end(self, outcome: Outcome, error: str) -> None:
        """Nobody is left to answer: bill what was delivered."""
        try:
            self._finish(outcome, 200 if self._started else 499, self._delivered(), error)
        except Refusal:
            log.exception("call %s of a client that left is not recorded", self.record.request_id)

    async def _aborted(self) -> None:
        """The task was cancelled: by :meth:`abort`, or from outside."""
        if self._abort is None or self._task is None:
            self._record_end("interrupted", "cancelled")
            raise asyncio.CancelledError
        self._task.uncancel()
        if self._abort == "client_gone":
            self._record_end("client_gone", "client_gone")
        elif self._abort == "body_timeout":
            await self._refuse(body_too_slow(self._relay.settings.body_timeout))
        else:
            await self._refuse(cut_by_shutdown())

    async def _start(self, headers: HeaderList) -> None:
        headers.append((b"x-request-id", self.record.request_id.encode("ascii")))
        if self._admitted is not None:
            headers += self._admitted.headers
        self._started = True
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _send_part(self, reply: StreamReply, data: bytes) -> None:
        try:
            if not self._started:
                self._first_byte()
                await self._start(reply.headers)
            await self._send({"type": "http.response.body", "body": data, "more_body": True})
        except OSError:
            raise ClientGone from None
        reply.meter.delivered()

    async def _send_last(self, data: bytes, headers: HeaderList) -> None:
        """Send the end of an answer whose record is written, and its head if it has none yet."""
        try:
            if not self._started:
                await self._start(headers)
            await self._send({"type": "http.response.body", "body": data, "more_body": False})
        except OSError:  # the record is written: the whole answer is billed
            log.debug("client of call %s left at its end", self.record.request_id)

    def _first_byte(self) -> None:
        if self.record.first_byte_ms is None:
            self.record.first_byte_ms = round(self.age() * 1000, 3)

    def _forget_request(self) -> None:
        request = self._request
        if request is not None:
            if len(request.raw) > KEEP_REQUEST:
                self._prompt_tokens()
                request.data = {}
            request.raw = b""

    def _prompt_tokens(self) -> int:
        if self._prompt is None:
            data = {} if self._request is None else self._request.data
            self._prompt = self._safely(lambda: Usage(estimate_prompt(data)), None).input
        return self._prompt

    def _delivered(self) -> Usage | None:
        """What a call that broke off is billed: None before the first content."""
        if self._reply is None or not self._started:
            return None
        return self._metered(self._reply, complete=False)

    def _metered(self, reply: StreamReply, *, complete: bool) -> Usage:
        meter = reply.meter
        return self._safely(
            lambda: meter.result(self._prompt_tokens, complete=complete), meter.usage
        )

    def _safely(self, compute: Callable[[], Usage], told: Usage | None) -> Usage:
        """What was computed, or, if that fails, the provider's last numbers or nothing at all.

        There must be a record even where what it says is in doubt.
        """
        try:
            return compute()
        except Exception:
            log.exception("the usage of call %s can't be estimated", self.record.request_id)
            return told or Usage(estimated=True)

    def _tokens(self) -> int:
        record = self.record
        return (
            record.input
            + record.cached_input
            + record.cache_write
            + record.output
            + record.reasoning
        )

    def _bill(self, usage: Usage) -> None:
        record, price = self.record, self._price
        self._first_byte()
        record.input = usage.input
        record.cached_input = usage.cached_input
        record.cache_write = usage.cache_write
        record.output = usage.output
        record.reasoning = usage.reasoning
        record.estimated = usage.estimated
        try:
            record.cost = None if price is None else cost_of(usage, price)
        except Exception:
            log.exception("the cost of call %s can't be computed", record.request_id)
            record.cost = None
        record.price_id = None if price is None else price.id

    def _finish(self, outcome: Outcome, status: int, usage: Usage | None, error: str = "") -> None:
        """Write the record, once. Raises :class:`Refusal` (503) when the journal takes no more."""
        if self._recorded:
            return
        self._recorded = True
        self._quiet()
        record = self.record
        record.outcome = outcome
        record.status = status
        record.error = error[:MAX_ERROR]
        record.cost = 0
        if usage is not None:
            self._bill(usage)
        record.duration_ms = round(self.age() * 1000, 3)
        relay = self._relay
        try:
            relay.journal.append(record.to_bytes())
        except Exception as fault:  # whatever it is: what is not recorded must not be answered
            if not isinstance(fault, JournalFull):
                log.exception("call %s can't be recorded", record.request_id)
            relay.journal_is_full()
            raise journal_full() from None
        relay.counters.add(record, known=record.model in self._snapshot.channels)
        if record.token_id is not None and record.cost:
            relay.admission.ledger.spend(record.token_id, record.cost)
