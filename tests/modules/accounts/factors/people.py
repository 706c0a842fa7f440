"""People and a clock for the tests of factors."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from paifang.core.auth import Principal
from paifang.core.db import Database
from paifang.modules.accounts.users.models import User, UserStatus

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$c29tZWhhc2g"


async def add_person(
    db: Database, email: str = "mei@example.com", *, password: bool = True
) -> UUID:
    async with db.transaction() as session:
        user = User(
            email=email,
            display_name="Mei",
            status=UserStatus.ACTIVE,
            password_hash=HASH if password else None,
        )
        session.add(user)
    return user.id


def as_person(user_id: UUID, session_id: UUID | None = None) -> Principal:
    return Principal(id=str(user_id), name="Mei", user_id=user_id, session_id=session_id)


class Clock:
    """The time as the accounts' services see it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 30, 12, 0, 15, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def step(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
