"""People for tests, and what they do: make them, sign in, solve challenges."""

import hashlib
from base64 import b64encode
from typing import Any

import httpx
import orjson
from sqlalchemy import select

from paifang.core.db import utc_now
from paifang.core.mail import Mail
from paifang.core.runtime import Runtime
from paifang.core.scope import unscoped
from paifang.modules.access.roles.models import ADMINISTRATOR, Role, UserRole
from paifang.modules.accounts.passwords.hashing import hasher_of
from paifang.modules.accounts.users.models import User

PASSWORD = "seven quiet herons above"
OTHER_PASSWORD = "nine wooden ladders below"


class People:
    """Makes and reads people of one installation."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def make(
        self,
        email: str = "ann@example.org",
        *,
        password: str | None = PASSWORD,
        status: str = "active",
        administrator: bool = False,
        **more: Any,
    ) -> User:
        """Somebody with an account."""
        hashed = None if password is None else await hasher_of(self.runtime).hash(password)
        user = User(
            email=email,
            email_verified_at=utc_now(),
            password_hash=hashed,
            display_name=more.pop("display_name", email.partition("@")[0].title()),
            status=status,
            **more,
        )
        async with self.runtime.db.transaction() as session:
            session.add(user)
            await session.flush()
            if administrator:
                role = await session.scalar(select(Role.id).where(Role.code == ADMINISTRATOR))
                session.add(UserRole(user_id=user.id, role_id=role))
        return user

    async def get(self, email: str) -> User | None:
        """The person of an address, as they are now."""
        async with self.runtime.db.reading() as session:
            return await session.scalar(
                unscoped(select(User).where(User.email == email), "a test looks")
            )

    async def change(self, who: str, **values: Any) -> None:
        """Change somebody behind everybody's back."""
        async with self.runtime.db.transaction() as session:
            user = await session.scalar(unscoped(select(User).where(User.email == who), "test"))
            for name, value in values.items():
                setattr(user, name, value)

    async def mails(self, to: str | None = None) -> list[Mail]:
        """What was mailed, the first first."""
        statement = select(Mail).order_by(Mail.created_at, Mail.id)
        async with self.runtime.db.reading() as session:
            found = list(await session.scalars(statement))
        return [mail for mail in found if to is None or mail.to == to]


async def sign_in(
    client: httpx.AsyncClient,
    email: str = "ann@example.org",
    password: str = PASSWORD,
    **more: Any,
) -> httpx.Response:
    """Sign in by password; from then on the client sends the access token."""
    body = {"email": email, "password": password, **more}
    answer = await client.post("/auth/sign-in", json=body)
    if answer.status_code == 200 and "access_token" in answer.json():
        use(client, answer)
    return answer


def use(client: httpx.AsyncClient, answer: httpx.Response) -> None:
    """Have the client send the access token of an answer."""
    client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"


def solve(challenge: dict[str, Any]) -> str:
    """The solution of a challenge, as a page would send it."""
    for number in range(challenge["maxnumber"] + 1):
        digest = hashlib.sha256(f"{challenge['salt']}{number}".encode()).hexdigest()
        if digest == challenge["challenge"]:
            kept = {k: v for k, v in challenge.items() if k != "maxnumber"}
            return b64encode(orjson.dumps({**kept, "number": number})).decode()
    raise AssertionError("the challenge has no solution")


async def solved(client: httpx.AsyncClient) -> str:
    """A fresh challenge's solution."""
    return solve((await client.get("/auth/challenge")).json())


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status_code, answer.json()["code"]
