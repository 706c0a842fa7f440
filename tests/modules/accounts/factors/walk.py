"""What people do with their factors, through the API."""

from collections.abc import Callable
from typing import Any

import httpx

from doubles.authenticator import Authenticator
from modules.accounts.factors.people import Clock
from modules.accounts.people import sign_in
from paifang.modules.accounts.totp import algorithm

Browser = Callable[..., httpx.AsyncClient]
SITE = "https://paifang.test"


def code_of(secret: str, clock: Clock) -> str:
    """A code that no other has been before: time goes on by a step."""
    clock.step(30)
    return algorithm.code_at(secret, int(clock.now.timestamp()) // 30)


async def add_totp(client: httpx.AsyncClient, clock: Clock) -> tuple[str, list[str] | None]:
    """Set an app up for who is signed in; its secret, and recovery codes if there are new ones."""
    made = await client.post("/account/totp")
    assert made.status_code == 200, made.text
    secret = made.json()["secret"]
    done = await client.post("/account/totp/confirm", json={"code": code_of(secret, clock)})
    assert done.status_code == 200, done.text
    return secret, done.json()["recovery_codes"]


async def add_passkey(
    client: httpx.AsyncClient, device: Authenticator, name: str = "Phone"
) -> dict[str, Any]:
    """Make a passkey for who is signed in."""
    asked = await client.post("/account/passkeys/options")
    assert asked.status_code == 200, asked.text
    body = {
        "challenge_id": asked.json()["challenge_id"],
        "credential": device.create(asked.json()["options"]),
        "name": name,
    }
    made = await client.post("/account/passkeys", json=body)
    assert made.status_code == 201, made.text
    return made.json()


async def answer(
    client: httpx.AsyncClient, path: str, device: Authenticator, **more: Any
) -> dict[str, Any]:
    """A passkey's answer to what a path asks; ``more`` is asked with."""
    asked = await client.post(path, json=more or None)
    assert asked.status_code == 200, asked.text
    question = asked.json()
    return {
        "challenge_id": question["challenge_id"],
        "credential": device.get(question["options"]),
        **more,
    }


async def ticket_of(client: httpx.AsyncClient, email: str = "ann@example.org") -> str:
    """The ticket of who signs in by password and has more to show."""
    client.headers.pop("authorization", None)
    answer = await sign_in(client, email)
    assert answer.status_code == 200, answer.text
    ticket: str = answer.json()["ticket"]
    return ticket
