"""How a stream ends otherwise than with its last byte at the client."""

import logging

from paifang.modules.gateway.relay.attempt import StreamReply
from paifang.modules.gateway.relay.dialect import upstream_refusal
from paifang.modules.gateway.relay.errors import Refusal
from paifang.modules.gateway.relay.upstream import UpstreamError

log = logging.getLogger(__name__)


def ended_too_early(model: str) -> Refusal:
    """The upstream's stream stopped without a reason to finish."""
    return upstream_refusal(
        502,
        "upstream_reset",
        f"The upstream of the model {model!r} ended its answer too early.",
    )


def is_finished(reply: StreamReply, request_id: str) -> bool:
    """Whether the client has all that the model said, whatever is still to come."""
    try:
        return reply.meter.finished()
    except Exception:  # asked while a connection is being closed: that must go on
        log.exception("the stream of call %s can't be counted", request_id)
        return False


async def read_on(reply: StreamReply, room: int) -> bool:
    """Read the rest of a stream that nobody gets any more, for what the provider counted: that
    comes last, and may be far more than was to be seen, for thoughts are often kept back.

    False when it was not read to its end: it broke off, or took more than ``room`` bytes.
    """
    meter = reply.meter
    try:
        while not meter.over:
            chunk = await anext(reply.response, None)
            if chunk is None:
                meter.flush()
                break
            room -= len(chunk)
            if room < 0:
                return False
            meter.feed(chunk)
    except UpstreamError:
        return False
    return meter.error is None
