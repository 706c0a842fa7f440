"""One call's way to an answer: channel after channel, until one begins to give content."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from paifang.modules.gateway.relay.body import Request
from paifang.modules.gateway.relay.dialect import (
    EVENT_STREAM,
    MAX_ERROR_BYTES,
    OTHER_CODE,
    AnswerHead,
    Endpoint,
    answer_as_stream,
    channel_headers,
    read_answer_head,
    refuse_answer,
    refuse_error_object,
    refuse_failure,
    retry_seconds,
    upstream_refusal,
)
from paifang.modules.gateway.relay.errors import UPSTREAM, Refusal, retry_after
from paifang.modules.gateway.relay.local import PROVIDER, LocalModelError, LocalModels
from paifang.modules.gateway.relay.meter import JsonAnswer, MalformedAnswerError, read_answer
from paifang.modules.gateway.relay.record import Record
from paifang.modules.gateway.relay.routing import COOLING_STATUSES, Router
from paifang.modules.gateway.relay.settings import RelaySettings
from paifang.modules.gateway.relay.snapshot import Channel
from paifang.modules.gateway.relay.sse import StreamMeter
from paifang.modules.gateway.relay.stats import Counters, bump
from paifang.modules.gateway.relay.upstream import (
    Key,
    Pool,
    Response,
    Target,
    UpstreamError,
    request_head,
)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class JsonReply:
    """A whole answer, ready to go to the client."""

    block: bytes
    """Headers of the upstream's that the client gets, as lines."""
    body: bytes
    answer: JsonAnswer


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What every request to a channel has in common, worked out once."""

    channel: Channel
    base_url: str
    credential: str
    key: Key
    head: bytes
    """Up to the value of its last header, the request id."""


@dataclass(slots=True)
class StreamReply:
    """A stream whose first content is here; more is to be read from the response."""

    block: bytes
    """As in :class:`JsonReply`."""
    response: Response
    meter: StreamMeter
    held: bytes
    """What the client is to get first."""

    def pass_to(self, send: Callable[[bytes], bool] | None) -> None:
        """Give ``send`` what there is nothing to decide about in the moment it comes, while the
        reader sleeps: to wake it takes as long as all the rest. None ends that.
        """
        self.response.into = None if send is None else partial(self.meter.pass_on, send)


class Upstreams:
    """Asks upstreams. One for the whole relay; what a call holds is in its :class:`Attempt`."""

    def __init__(
        self,
        *,
        pool: Pool,
        router: Router,
        local: LocalModels | None,
        settings: RelaySettings,
        counters: Counters,
    ) -> None:
        self.pool = pool
        # The engine of local models may close a connection just after an answer, when the next
        # call is already on it. A new one costs a tenth of a millisecond on the loopback.
        self.local_pool = Pool(max_idle_per_host=0)
        self.router = router
        self.local = local
        self.settings = settings
        self.counters = counters
        self._prepared: dict[tuple[str, str, bool], _Prepared] = {}

    def forget(self) -> None:
        """A new snapshot: what was worked out of the old one's channels may be wrong."""
        self._prepared.clear()

    def prepare(
        self, channel: Channel, base_url: str, credential: str, path: str, *, stream: bool
    ) -> _Prepared:
        """Where a request goes, and the part of its head that is always the same.

        Raises ``ValueError`` when the channel's base URL or headers cannot be used.
        """
        known = self._prepared.get((channel.id, path, stream))
        if (
            known is not None
            and known.channel is channel
            and known.credential == credential
            and known.base_url == base_url
        ):
            return known
        target = Target.parse(base_url)
        headers = channel_headers(channel, credential, stream=stream)
        head = request_head(target, b"POST", path, headers) + b"x-request-id: "
        made = _Prepared(channel, base_url, credential, target.key, head)
        self._prepared[channel.id, path, stream] = made
        return made


class Attempt:
    """What one call holds of its upstream: at most one answer and one local model at a time."""

    __slots__ = ("_endpoint", "_local", "_record", "_request", "_response", "_up")

    def __init__(
        self, upstreams: Upstreams, endpoint: Endpoint, request: Request, record: Record
    ) -> None:
        self._up = upstreams
        self._endpoint = endpoint
        self._request = request
        self._record = record
        self._response: Response | None = None
        self._local: Channel | None = None

    async def reply(self, channels: tuple[Channel, ...]) -> JsonReply | StreamReply:
        """The first answer with content in it.

        Raises :class:`Refusal`: the last upstream's, when none gave an answer.
        """
        up, record = self._up, self._record
        refusal: Refusal | None = None
        for channel in up.router.candidates(channels, time.monotonic()):
            if record.attempts >= up.settings.max_attempts:
                break
            record.attempts += 1
            record.channel_id = channel.id
            record.channel_name = channel.name
            try:
                return await self._ask(channel)
            except Refusal as error:
                if error.foreign and not up.counters.may_name(error.code):
                    error.code = OTHER_CODE
                refusal = error
            except UpstreamError as error:
                refusal = refuse_failure(error, record.model)
                refusal.__cause__ = error
            except MalformedAnswerError as error:
                refusal = upstream_refusal(
                    502,
                    "upstream_protocol",
                    f"The upstream of the model {record.model!r} gave an answer that cannot be "
                    f"read: {error}.",
                )
                refusal.__cause__ = error
            self.let_go()
            if not refusal.retry:
                raise refusal
            bump(up.counters.failed_attempts, (channel.name, refusal.code))
            log.warning(
                "channel %s failed call %s: %s (%s)",
                channel.name,
                record.request_id,
                refusal.code,
                refusal.__cause__
                or (f"status {refusal.status}" if refusal.quoted else refusal.message),
            )
        if refusal is not None:
            try:
                raise refusal
            finally:
                # Else it and this frame hold each other, and with them the request's body and
                # what was read of an answer, until the collector comes round.
                del refusal
        raise up.router.all_cooling(channels, record.model, time.monotonic())

    @property
    def over(self) -> bool:
        """The upstream has said all it had to say: there is nothing that :meth:`end` waits for."""
        return self._response is None or self._response.complete

    async def end(self, wait: float) -> None:
        """The call is over. A stream that was completed gets ``wait`` seconds to end itself.

        Its last bytes are mostly here already; once they are, its connection can be used again.
        """
        response = self._response
        if wait and response is not None and not response.complete:
            try:
                async with asyncio.timeout(wait):
                    async for _ in response.chunks():
                        pass
            except (TimeoutError, UpstreamError):
                log.debug("an upstream did not end its stream after [DONE]")
        self.let_go()

    def let_go(self) -> None:
        """Give back what is held; an unfinished answer is cancelled."""
        if self._response is not None:
            self._response.close()
            self._response = None
        if self._local is not None and self._up.local is not None:
            self._up.local.release(self._local)
        self._local = None

    async def _ask(self, channel: Channel) -> JsonReply | StreamReply:
        up, request, record = self._up, self._request, self._record
        model = channel.model_mapping.get(request.model, request.model)
        record.upstream_model = model
        body = request.body_for(model, stream_options=channel.stream_options)
        base_url, credential, pool = channel.base_url, channel.credential, up.pool
        if channel.provider == PROVIDER:
            base_url, credential = await self._start(channel)
            pool = up.local_pool
        try:
            prepared = up.prepare(
                channel,
                base_url,
                credential,
                self._endpoint.upstream_path,
                stream=request.stream,
            )
        except ValueError as error:
            refusal = upstream_refusal(
                502,
                "channel_misconfigured",
                f"The upstream of the model {record.model!r} is not set up rightly. Tell the "
                "gateway's administrator.",
            )
            raise refusal from error
        head = b"%b%b\r\nContent-Length: %d\r\n\r\n" % (
            prepared.head,
            record.request_id.encode("ascii"),
            len(body),
        )
        response = await pool.send(prepared.key, head, body, channel.timeouts)
        self._response = response
        if not 200 <= response.status < 300:
            raise await self._refused(channel, response, credential)
        answer = read_answer_head(response.headers)
        if answer.encoding:
            raise upstream_refusal(
                502,
                "upstream_protocol",
                f"The upstream of the model {record.model!r} compressed its answer, which it was "
                "asked not to.",
            )
        streamed = answer.kind[: len(EVENT_STREAM)].lower() == EVENT_STREAM
        if request.stream and streamed:
            return await self._begin_stream(response, answer, credential)
        return await self._read_json(response, answer, credential)

    async def _start(self, channel: Channel) -> tuple[str, str]:
        """The base URL and the bearer of a local model, which runs from here on."""
        local = self._up.local
        if local is None:
            raise self._unavailable(None)
        try:
            base_url = await local.acquire(channel)
        except LocalModelError as error:
            raise self._unavailable(error.retry_after) from error
        self._local = channel
        return base_url, local.credential(channel)

    def _unavailable(self, seconds: float | None) -> Refusal:
        model = self._record.model
        if seconds is None:
            what, headers = "Tell the gateway's administrator to look at its log.", []
        else:
            headers = [retry_after(seconds)]
            what = f"Try again in {headers[0][1].decode()} s."
        return Refusal(
            503,
            "local_model_unavailable",
            f"The local model {model!r} does not run at the moment. {what}",
            kind=UPSTREAM,
            headers=headers,
            blame="upstream",
            retry=True,
        )

    async def _refused(self, channel: Channel, response: Response, credential: str) -> Refusal:
        """The error answer of an upstream, and the cool-down it may ask for."""
        now = time.time()
        if response.status in COOLING_STATUSES:
            seconds = retry_seconds(response.headers, now)
            if seconds is not None:
                self._up.router.cool(channel.id, response.status, seconds, time.monotonic())
        try:
            body = await response.read(MAX_ERROR_BYTES)
        except UpstreamError:
            body = b""
        model = self._record.model
        return refuse_answer(response.status, response.headers, body, model, now, credential)

    async def _read_json(
        self, response: Response, head: AnswerHead, credential: str
    ) -> JsonReply | StreamReply:
        request = self._request
        limit = self._up.settings.max_response_bytes
        body = response.whole(limit)
        if body is None:
            body = await response.read(limit)
        answer = read_answer(body, whole=request.stream)
        if answer.error:
            raise refuse_error_object(answer.error, self._record.model, time.time(), credential)
        if not request.stream or answer.data is None:
            return JsonReply(head.block, body, answer)
        events = answer_as_stream(
            answer.data, self._endpoint.chunk, wants_usage=request.wants_usage
        )
        meter = StreamMeter(strip=False, max_event=len(events))
        held = meter.feed(events)
        meter.told(answer.usage)
        head.kind = EVENT_STREAM
        return StreamReply(head.block, response, meter, held)

    async def _begin_stream(
        self, response: Response, head: AnswerHead, credential: str
    ) -> StreamReply:
        """Read until there is content, so that another channel can still be asked."""
        settings = self._up.settings
        meter = StreamMeter(
            strip=not self._request.wants_usage,
            max_event=settings.max_event_bytes,
            secret=credential,
        )
        held = b""
        async for chunk in response.chunks():
            held += meter.feed(chunk)
            if meter.error is not None or meter.started or len(held) > settings.max_held_bytes:
                break
        else:
            held += meter.flush()
        if meter.error is not None and not meter.started:
            raise refuse_error_object(meter.error, self._record.model, time.time())
        if not meter.started:
            raise upstream_refusal(
                502,
                "upstream_empty",
                f"The upstream of the model {self._record.model!r} ended its stream without an "
                "answer.",
            )
        return StreamReply(head.block, response, meter, held)
