"""The proxy one would write in an afternoon: FastAPI in front, httpx behind."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
from fastapi import FastAPI, Header, HTTPException, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict

UPSTREAM = os.environ["BENCH_UPSTREAM"]
KEY = os.environ["BENCH_KEY"]


class Chat(BaseModel):
    """The request, as far as it is checked."""

    model_config = ConfigDict(extra="allow")

    model: str
    messages: list[dict[str, Any]]
    stream: bool = False


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One client with a pool for the whole process."""
    limits = httpx.Limits(max_connections=256, max_keepalive_connections=256)
    async with httpx.AsyncClient(limits=limits, timeout=60, trust_env=False) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/v1/chat/completions", response_model=None)
async def chat(request: Request, chat: Chat, authorization: Annotated[str, Header()]) -> Response:
    """Check the key, forward the call, hand back the answer."""
    if authorization != f"Bearer {KEY}":
        raise HTTPException(401)
    client: httpx.AsyncClient = request.app.state.client
    made = client.build_request(
        "POST",
        f"{UPSTREAM}/v1/chat/completions",
        json=chat.model_dump(),
        headers={"authorization": "Bearer upstream"},
    )
    if not chat.stream:
        answer = await client.send(made)
        return Response(answer.content, answer.status_code, media_type="application/json")
    answer = await client.send(made, stream=True)

    async def events() -> AsyncIterator[bytes]:
        try:
            async for part in answer.aiter_raw():
                yield part
        finally:
            await answer.aclose()

    return StreamingResponse(events(), answer.status_code, media_type="text/event-stream")
