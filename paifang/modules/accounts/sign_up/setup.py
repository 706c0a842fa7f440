"""The first administrator: by a link that is printed where Paifang runs, for half an hour."""

from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.core.db import utc_now
from paifang.core.runtime import Runtime
from paifang.modules.access.roles import service as roles
from paifang.modules.accounts import mails
from paifang.modules.accounts.entry import service as entry
from paifang.modules.accounts.entry.client import Client
from paifang.modules.accounts.entry.service import Entry
from paifang.modules.accounts.links import service as links
from paifang.modules.accounts.links.models import Purpose
from paifang.modules.accounts.passwords import rules
from paifang.modules.accounts.passwords.hashing import hasher_of
from paifang.modules.accounts.settings import AccountsSettings
from paifang.modules.accounts.sign_up import service
from paifang.modules.accounts.sign_up.errors import SetUpAlready
from paifang.modules.accounts.users import service as users

SETUP = Principal(id="set-up", name="Set-up link", kind="operator", all_permissions=True)


async def is_set_up(session: AsyncSession) -> bool:
    """Whether there is an administrator."""
    return await roles.count_administrators(session) > 0


async def make_link(session: AsyncSession, *, runtime: Runtime) -> str:
    """A new link, which takes the place of earlier ones.

    Raises:
        SetUpAlready: there is an administrator.
    """
    if await is_set_up(session):
        raise SetUpAlready
    await links.drop_purpose(session, purpose=Purpose.SETUP)
    link = await links.ask(session, purpose=Purpose.SETUP, email="")
    return mails.page(runtime, mails.SETUP, await links.seal(session, link=link))


async def set_up(
    runtime: Runtime, *, token: str, email: str, password: str, display_name: str, client: Client
) -> Entry:
    """Make the first administrator, who is in at once.

    Their address counts as confirmed: whoever reads what Paifang prints could confirm any.

    Raises:
        LinkOver: it is none, or was used, or is older than half an hour.
        SetUpAlready: there is an administrator.
        WeakPassword: it says why.
    """
    settings = runtime.settings.area(AccountsSettings)
    async with runtime.db.reading() as session:
        await links.look(session, purpose=Purpose.SETUP, token=token)
    rules.check(password, shortest=settings.password_length, about=(email, display_name))
    hashed = await hasher_of(runtime).hash(password)
    async with runtime.db.transaction() as session:
        await links.take(session, purpose=Purpose.SETUP, token=token)
        if await is_set_up(session):
            raise SetUpAlready
        user = await service.pending_user(session, email=users.folded(email), locale="en")
        user.password_hash = hashed
        user.display_name = display_name
        user.email_verified_at = utc_now()
        await links.drop_of(session, user_id=user.id)
        await service.activate(session, user=user, actor=SETUP)
        await roles.make_administrator(session, actor=SETUP, user_id=user.id)
        return await entry.let_in(
            session, runtime=runtime, user=user, methods=["setup"], client=client
        )
