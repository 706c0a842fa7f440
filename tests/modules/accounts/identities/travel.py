"""A browser's way to a provider and back."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx


@dataclass
class Way:
    """What happened on the way."""

    authorize: str
    """Where the browser was sent."""
    callback: str
    """Path and query it came back with."""
    page: str
    """The page it went on to; empty when it did not."""

    @property
    def asked(self) -> dict[str, str]:
        """The parameters of the authorization request."""
        return {k: v[0] for k, v in parse_qs(urlsplit(self.authorize).query).items()}


async def consent(url: str) -> str:
    """What the provider sends the browser back to: path and query."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(url)
    assert answer.status_code == 302, answer.text
    parts = urlsplit(answer.headers["location"])
    return f"{parts.path}?{parts.query}"


async def follow(client: httpx.AsyncClient, url: str) -> Way:
    """From the provider's page to ours."""
    callback = await consent(url)
    back = await client.get(f"https://paifang.test{callback}")
    assert back.status_code == 303, back.text
    return Way(url, callback, back.headers["location"])


async def start(client: httpx.AsyncClient, provider: str = "company", **query: Any) -> str:
    """Where the browser is sent."""
    answer = await client.get(f"/auth/oidc/{provider}/start", params=query)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


async def travel(client: httpx.AsyncClient, provider: str = "company", **query: Any) -> Way:
    """There and back, to sign in."""
    return await follow(client, await start(client, provider, **query))


async def finish(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    """What the page fetches then; the client is signed in if it was right."""
    answer = await client.post("/auth/oidc/finish", json=body)
    if answer.status_code == 200 and answer.json()["signed_in"]:
        token = answer.json()["signed_in"]["access_token"]
        client.headers["authorization"] = f"Bearer {token}"
    return answer


async def sign_in(
    client: httpx.AsyncClient, provider: str = "company", **body: Any
) -> httpx.Response:
    """All of it."""
    await travel(client, provider)
    return await finish(client, **body)


async def link(client: httpx.AsyncClient, provider: str = "company") -> httpx.Response:
    """Link the provider's account to who is signed in."""
    begun = await client.post(f"/account/identities/{provider}/start", json={"purpose": "link"})
    assert begun.status_code == 200, begun.text
    way = await follow(client, begun.json()["url"])
    assert way.page == "/sign-in/oidc#link"
    return await client.post("/account/identities")
