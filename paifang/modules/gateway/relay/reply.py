"""Answers that are whole from the start: errors and small JSON."""

from typing import Any

import orjson

from paifang.core.exchange import Exchange, header_block
from paifang.modules.gateway.relay.errors import Refusal


async def send_refusal(exchange: Exchange, refusal: Refusal, request_id: str) -> None:
    """Answer with an error in OpenAI's shape."""
    block = json_block(request_id) + header_block(refusal.headers)
    await exchange.answer(refusal.status, block, refusal.body(), close=refusal.close)


async def send_json(exchange: Exchange, value: Any, request_id: str) -> None:
    """Answer with a JSON value."""
    await exchange.answer(200, json_block(request_id), orjson.dumps(value))


def json_block(request_id: str) -> bytes:
    """The headers of every answer that is ours."""
    return (
        b"content-type: application/json\r\ncache-control: no-store\r\nx-request-id: %b\r\n"
        % request_id.encode("ascii")
    )
