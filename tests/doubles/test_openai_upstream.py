"""The double by itself: other tests stand on it."""

import asyncio
import signal
import sys
from pathlib import Path

import httpx


async def test_it_runs_as_a_program_and_takes_its_orders_from_the_models_name():
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "doubles.openai_upstream",
        "--port",
        "0",
        cwd=Path(__file__).parents[1],
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(20):
            url = (await process.stdout.readline()).decode().strip()
            async with httpx.AsyncClient(base_url=url) as client:
                assert (await client.get("/models")).json()["data"][0]["id"] == "chat"
                body = {"model": "chat:pieces=2,word=hey", "messages": []}
                answer = (await client.post("/chat/completions", json=body)).json()
                assert answer["choices"][0]["message"]["content"] == "hey0 hey1 "
                body["model"] = "chat:status=429,retry_after=7"
                refused = await client.post("/chat/completions", json=body)
                assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
