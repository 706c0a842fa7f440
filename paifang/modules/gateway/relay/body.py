"""The request body: read under a cap, and only what routing needs is looked at."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import orjson

from paifang.modules.gateway.relay.errors import ClientGone, Refusal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

MAX_MODEL_LENGTH = 256


async def read_body(receive: Receive, limit: int, stated: int | None) -> bytes:
    """The whole body.

    Raises :class:`Refusal` (413) when it is, or says it is, over ``limit`` bytes, and
    :class:`ClientGone` when the client leaves first.
    """
    if stated is not None and stated > limit:
        raise _too_large(limit)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(body) > limit:
            raise _too_large(limit)
        return body
    parts = [body]
    size = len(body)
    while True:
        if size > limit:
            raise _too_large(limit)
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        parts.append(part)
        if not message.get("more_body", False):
            break
    if size > limit:
        raise _too_large(limit)
    return b"".join(parts)


def _too_large(limit: int) -> Refusal:
    # The connection stays open: closed with bytes unread, the client might never see why.
    return Refusal(
        413,
        "request_too_large",
        f"The request body is over {limit} bytes, the most this gateway takes. Send less.",
    )


@dataclass(slots=True)
class Request:
    """A client's request: its bytes, and the few fields that decide where it goes."""

    raw: bytes
    data: dict[str, Any]
    model: str
    stream: bool
    wants_usage: bool
    """The client asked for usage in its stream itself."""

    def body_for(self, model: str) -> bytes:
        """The bytes for an upstream that calls the model ``model``.

        The client's own bytes where nothing must change; else the object is written anew, with
        the upstream's model name and, in a stream, with ``include_usage`` asked for.
        """
        ask = self.stream and not self.wants_usage
        if not ask and model == self.model:
            return self.raw
        data = dict(self.data)
        data["model"] = model
        if ask:
            data["stream_options"] = {**(data.get("stream_options") or {}), "include_usage": True}
        try:
            return orjson.dumps(data)
        except orjson.JSONEncodeError:  # it writes 254 levels, though it reads 1,024
            raise Refusal(
                400, "invalid_json", "The request body is nested too deeply: over 250 levels."
            ) from None


def parse_request(raw: bytes, *, streams: bool) -> Request:
    """Read what routing needs. Raises :class:`Refusal` (400), naming the field.

    ``streams`` is False for endpoints that have no streams; ``stream`` is then left alone.
    """
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        reason = "it is empty" if not raw.strip() else str(error)
        raise Refusal(400, "invalid_json", f"The request body is not JSON: {reason}.") from None
    if not isinstance(data, dict):
        raise Refusal(400, "invalid_json", "The request body must be a JSON object.")
    model = data.get("model")
    if not isinstance(model, str) or not model:
        raise _invalid("model", "must be the name of a model: a string that is not empty")
    if len(model) > MAX_MODEL_LENGTH:
        raise _invalid("model", f"must have at most {MAX_MODEL_LENGTH} characters")
    stream = data.get("stream") if streams else None
    if stream is not None and not isinstance(stream, bool):
        raise _invalid("stream", "must be true or false")
    wants_usage = False
    if stream:
        options = data.get("stream_options")
        if options is not None and not isinstance(options, dict):
            raise _invalid("stream_options", "must be an object")
        wants_usage = options is not None and options.get("include_usage") is True
    return Request(raw, data, model, bool(stream), wants_usage)


def _invalid(param: str, rule: str) -> Refusal:
    return Refusal(400, "invalid_value", f"'{param}' {rule}.", param=param)
