"""What is done after somebody has asked for an account, where nobody can time it."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.jobs import Run, job
from paifang.core.mail import AccountExists, VerifyEmail
from paifang.core.runtime import Runtime
from paifang.modules.accounts import mails
from paifang.modules.accounts.links import service as links
from paifang.modules.accounts.links.models import MailLink, Purpose
from paifang.modules.accounts.sign_up import service
from paifang.modules.accounts.users import service as users


@job("accounts.answer_sign_up", tries=3)
async def answer_sign_up(run: Run, *, link_id: str) -> None:
    """Mail the link that makes an account, or that there is one."""
    await run.step(_answer, link_id)


async def _answer(run: Run, link_id: str) -> None:
    async with run.transaction() as session:
        link = await links.waiting(session, link_id=UUID(link_id))
        if link is None:
            return
        user = await users.by_email(session, email=link.email)
        if user is None or user.email_verified_at is None:
            user = await service.pending_user(session, email=link.email, locale=link.data["locale"])
        if user.email_verified_at is not None:
            await mails.send(
                session,
                to=user.email,
                locale=user.locale,
                values=AccountExists(
                    link=mails.page(run.runtime, mails.SIGN_IN),
                    reset_link=mails.page(run.runtime, mails.FORGOT),
                    device=link.data["device"],
                    address=link.data["address"],
                    at=link.created_at,
                ),
                dedupe_key=f"account_exists:{link.id.hex}",
            )
            await links.drop(session, link=link)
            return
        link.user_id = user.id
        await _mail_link(session, run.runtime, link)


async def _mail_link(session: AsyncSession, runtime: Runtime, link: MailLink) -> None:
    token = await links.seal(session, link=link)
    await mails.send(
        session,
        to=link.email,
        locale=link.data["locale"],
        values=VerifyEmail(
            link=mails.page(runtime, mails.VERIFY, token),
            valid=links.VALID[Purpose.VERIFY],
            device=link.data["device"],
            address=link.data["address"],
            at=link.created_at,
        ),
        dedupe_key=f"verify:{link.id.hex}",
    )


@job("accounts.answer_again", tries=3)
async def answer_again(run: Run, *, link_id: str) -> None:
    """Mail a new link for the account that was asked for last, if one was."""
    await run.step(_again, link_id)


async def _again(run: Run, link_id: str) -> None:
    async with run.transaction() as session:
        asked = await links.waiting(session, link_id=UUID(link_id))
        if asked is None:
            return
        last = await links.latest(session, purpose=Purpose.VERIFY, email=asked.email)
        await links.drop(session, link=asked)
        if last is None or last.user_id is None:
            return
        user = await users.by_id(session, user_id=last.user_id)
        if user is None or user.email_verified_at is not None:
            return
        fresh = await links.ask(
            session,
            purpose=Purpose.VERIFY,
            email=last.email,
            user_id=user.id,
            data=dict(last.data),
        )
        await _mail_link(session, run.runtime, fresh)
