"""One call of an authenticated caller, from its body to its record.

Whatever happens, exactly one record goes to the journal, and it goes there before the answer's
last byte: what a client has received in full is always billed. An answer whose record finds no
room is withheld.
"""

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Literal

from paifang.core.exchange import BodyTooLarge, ClientGone, Exchange
from paifang.modules.gateway.relay.attempt import Attempt, JsonReply, StreamReply
from paifang.modules.gateway.relay.auth import Known, check_address
from paifang.modules.gateway.relay.bill import bill, computed
from paifang.modules.gateway.relay.body import Request, parse_request, too_large
from paifang.modules.gateway.relay.dialect import ENDPOINTS, refuse_error_object, refuse_failure
from paifang.modules.gateway.relay.ending import ended_too_early, is_finished, read_on
from paifang.modules.gateway.relay.errors import (
    Blame,
    Refusal,
    body_too_slow,
    cut_by_shutdown,
    internal_error,
    journal_full,
)
from paifang.modules.gateway.relay.journal import JournalFull
from paifang.modules.gateway.relay.listing import model_not_found
from paifang.modules.gateway.relay.meter import estimate_answer, price_at
from paifang.modules.gateway.relay.record import (
    MAX_ERROR,
    MAX_IP,
    MAX_MODEL,
    Outcome,
    Record,
    Usage,
)
from paifang.modules.gateway.relay.reply import send_refusal
from paifang.modules.gateway.relay.shared import LeaseNeeded
from paifang.modules.gateway.relay.snapshot import Price, Snapshot
from paifang.modules.gateway.relay.upstream import UpstreamError
from paifang.modules.gateway.relay.usage import estimate_prompt

if TYPE_CHECKING:
    from paifang.modules.gateway.relay.admission import Admitted
    from paifang.modules.gateway.relay.app import Relay

log = logging.getLogger(__name__)

STREAM_BLOCK = b"x-accel-buffering: no\r\n"
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

    # What a call begins with stands here: most of them never change it.
    reading = True
    """The body is still on its way; the call itself notices a client that leaves."""
    _abort: Abort | None = None
    _request: Request | None = None
    _attempt: Attempt | None = None
    _admitted: "Admitted | None" = None
    _reply: StreamReply | None = None
    _price: Price | None = None
    _prompt: int | None = None
    _left = False
    """The client has left with the whole answer: only the provider's count is waited for."""
    _whole = False  # and the stream was read to its end
    _recorded = False
    _final = False

    def __init__(  # noqa: PLR0917 - what a call has; by keyword it costs a microsecond more
        self,
        relay: "Relay",
        exchange: Exchange,
        snapshot: Snapshot,
        known: Known,
        request_id: str,
        started_at: float,
    ) -> None:
        self._began = time.perf_counter()
        self._relay = relay
        self._exchange = exchange
        self._snapshot = snapshot
        self._known = known
        caller = known.caller
        token = caller.token
        self.record = Record(
            request_id,
            started_at,
            caller.group.id,
            "",
            exchange.path,
            token_id=None if token is None else token.id,
            token_name="" if token is None else token.name,
            person=caller.person,
            purpose=caller.purpose,
            ip=exchange.address[:MAX_IP],
            user_agent=known.user_agent,
        )

    async def run(self, stated: int | None) -> None:
        """Serve the call; ``stated`` is the length its head gives for the body."""
        try:
            await self._serve(stated)
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
            if not self._final:
                self._quiet()
            if self._admitted is not None:
                self._admitted.release(self.record.tokens)
            if self._attempt is not None:
                if self._attempt.over:
                    self._attempt.let_go()
                else:
                    done = self.record.outcome == "completed" and self._abort is None
                    await self._attempt.end(self._relay.settings.end_of_stream_wait if done else 0)

    def age(self) -> float:
        """Seconds since the call began."""
        return time.perf_counter() - self._began

    def watch(self) -> None:
        """Notice from now on when the client leaves."""
        if not self._final:
            self._exchange.watch(self._gone)

    def abort(self, reason: Abort) -> None:
        """End the call from outside, unless its answer is already on its last leg."""
        task = self._exchange.task
        if self._abort is None and not self._final and task is not None:
            self._abort = reason
            task.cancel()

    def _gone(self) -> None:
        if not self._count_is_due():
            self.abort("client_gone")

    def _count_is_due(self) -> bool:
        """Whether who leaves has the whole answer; then its count is waited for a little."""
        if self._reply is None or self._final or self._left:
            return self._left
        self._left = is_finished(self._reply, self.record.request_id)
        if self._left:
            wait = self._relay.settings.end_of_stream_wait
            asyncio.get_running_loop().call_later(wait, self.abort, "client_gone")
        return self._left

    def _quiet(self) -> None:
        """From here on nothing interrupts: the record is written, the rest goes out."""
        self._final = True
        self._relay.young.discard(self)
        self._exchange.unwatch()

    async def _serve(self, stated: int | None) -> None:
        relay, record, caller = self._relay, self.record, self._known.caller
        if caller.token is not None and caller.token.networks:
            check_address(caller, record.ip)
        limit = relay.settings.max_body_bytes
        try:
            raw = await self._exchange.read(limit, stated)
        except BodyTooLarge:
            raise too_large(limit) from None
        self.reading = False
        endpoint = ENDPOINTS[record.endpoint]
        request = self._request = parse_request(raw, streams=endpoint.streams)
        record.model = request.model[:MAX_MODEL]
        record.stream = request.stream
        channels = self._snapshot.channels.get(request.model)
        if not channels or not caller.may_use(request.model):
            raise model_not_found(request.model)
        self._price = price_at(self._snapshot.prices, request.model, record.started_at)
        if self._price is None and caller.group.unpriced == "block":
            raise Refusal(
                403,
                "model_not_priced",
                f"The model {request.model!r} has no price, and the group "
                f"{caller.group.id!r} may not call models without one. Ask an "
                "administrator to set its price.",
                param="model",
            )
        try:
            self._admitted = relay.admission.admit(caller, request, self._price)
        except LeaseNeeded as needed:
            self._admitted = await needed.take()
        self._attempt = Attempt(relay.upstreams, endpoint, request, record)
        reply = await self._attempt.reply(channels)
        if isinstance(reply, JsonReply):
            await self._answer(request, reply)
        else:
            await self._stream(reply)

    async def _answer(self, request: Request, reply: JsonReply) -> None:
        usage = reply.answer.usage or computed(
            self.record, lambda: estimate_answer(request.data, reply.answer), None
        )
        self._finish("completed", 200, usage)
        try:
            await self._exchange.answer(200, self._block(reply.block), reply.body)
        except ClientGone:  # the record is written: the whole answer is billed
            log.debug("client of call %s left at its end", self.record.request_id)

    async def _stream(self, reply: StreamReply) -> None:
        """Pass a stream on as it comes, its end held back until the record is written."""
        self._reply = reply
        self._forget_request()
        meter = reply.meter
        reply.block += STREAM_BLOCK
        out = reply.held
        refusal: Refusal | None = None
        reply.pass_to(self._exchange.send_now)
        try:
            while not meter.over:
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
        except ClientGone:
            if not self._count_is_due():
                raise
        finally:
            reply.pass_to(None)
        if self._left:
            self._whole = await read_on(reply, self._relay.settings.max_event_bytes)
            raise ClientGone
        meter.delivered()
        if meter.error is not None:
            refusal = refuse_error_object(meter.error, self.record.model, time.time())
        elif refusal is None and not meter.finished():
            out += b"\n\n" if out else meter.cut()
            refusal = ended_too_early(self.record.model)
        await self._end_stream(reply, out, refusal)

    async def _end_stream(self, reply: StreamReply, out: bytes, refusal: Refusal | None) -> None:
        error = ""
        if refusal is not None:
            out += refusal.event()
            error = "upstream_error" if refusal.foreign else refusal.code
        usage = self._metered(reply, complete=not error)
        self._finish("interrupted" if error else "completed", 200, usage, error)
        await self._send_last(reply, out)

    async def _refuse(self, refusal: Refusal) -> None:
        """End with an error: as the answer, or as the last event of a stream that has begun."""
        self._quiet()
        begun = self._exchange.begun
        status = 200 if begun else refusal.status
        outcome: Outcome = "interrupted" if begun else _OUTCOMES[refusal.blame]
        try:
            self._finish(outcome, status, self._delivered(), refusal.code)
        except Refusal as full:
            refusal = full
        try:
            if begun:
                cut = b"" if self._reply is None else self._reply.meter.cut()
                await self._exchange.send(b"", cut + refusal.event(), last=True)
            else:
                await send_refusal(self._exchange, refusal, self.record.request_id)
        except ClientGone:
            log.debug("client of call %s left before its error", self.record.request_id)

    def _record_end(self, outcome: Outcome, error: str) -> None:
        """Nobody is left to answer: bill what was delivered."""
        try:
            self._finish(outcome, 200 if self._exchange.begun else 499, self._delivered(), error)
        except Refusal:
            log.exception("call %s of a client that left is not recorded", self.record.request_id)

    async def _aborted(self) -> None:
        """The task was cancelled: by :meth:`abort`, or from outside."""
        task = self._exchange.task
        if self._abort is None or task is None:
            self._record_end("interrupted", "cancelled")
            raise asyncio.CancelledError
        task.uncancel()
        if self._left or self._abort == "client_gone":
            self._record_end("client_gone", "client_gone")
        elif self._abort == "body_timeout":
            await self._refuse(body_too_slow(self._relay.settings.body_timeout))
        else:
            await self._refuse(cut_by_shutdown())

    def _block(self, block: bytes) -> bytes:
        """The headers of an answer with content: the upstream's, the id, how the limits stand."""
        limits = b"" if self._admitted is None else self._admitted.header_block
        return b"%bx-request-id: %b\r\n%b" % (
            block,
            self.record.request_id.encode("ascii"),
            limits,
        )

    async def _send_part(self, reply: StreamReply, data: bytes) -> None:
        if self._exchange.begun:
            await self._exchange.send(b"", data, last=False)
        else:
            await self._exchange.send(self._block(reply.block), data, last=False)
            self.record.first_byte_ms = round(self.age() * 1000, 3)
        reply.meter.delivered()

    async def _send_last(self, reply: StreamReply, data: bytes) -> None:
        """Send the end of a stream whose record is written, and its head if it has none yet."""
        block = b"" if self._exchange.begun else self._block(reply.block)
        try:
            await self._exchange.send(block, data, last=True)
        except ClientGone:  # the record is written: the whole answer is billed
            log.debug("client of call %s left at its end", self.record.request_id)

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
            guess = computed(self.record, lambda: Usage(estimate_prompt(data)), None)
            self._prompt = guess.input
        return self._prompt

    def _delivered(self) -> Usage | None:
        """What a call that broke off is billed: None before the first content."""
        if self._reply is None or not self._exchange.begun:
            return None
        return self._metered(self._reply, complete=self._whole)

    def _metered(self, reply: StreamReply, *, complete: bool) -> Usage:
        meter = reply.meter
        return computed(
            self.record,
            lambda: meter.result(self._prompt_tokens, complete=complete),
            meter.usage,
        )

    def _finish(self, outcome: Outcome, status: int, usage: Usage | None, error: str = "") -> None:
        """Write the record, once. Raises :class:`Refusal` (503) when the journal takes no more."""
        if self._recorded:
            return
        self._recorded = True
        if not self._final:
            self._quiet()
        record = self.record
        record.outcome = outcome
        record.status = status
        record.error = error[:MAX_ERROR]
        record.cost = 0
        record.duration_ms = round((time.perf_counter() - self._began) * 1000, 3)
        if usage is not None:
            if record.first_byte_ms is None:
                record.first_byte_ms = record.duration_ms
            bill(record, usage, self._price)
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
