"""What is done after somebody has asked for a mail, where nobody can time it."""

from uuid import UUID

from paifang.core.jobs import Run, job
from paifang.core.mail import AccountExists, EmailChangeConfirm, EmailChangeNotice, ResetPassword
from paifang.modules.accounts import mails
from paifang.modules.accounts.links import service as links
from paifang.modules.accounts.links.models import Purpose
from paifang.modules.accounts.users import service as users
from paifang.modules.accounts.users.models import UserStatus


@job("accounts.answer_reset", tries=3)
async def answer_reset(run: Run, *, link_id: str) -> None:
    """Mail the link that sets a password, if there is such a person."""
    await run.step(_reset, link_id)


async def _reset(run: Run, link_id: str) -> None:
    async with run.transaction() as session:
        link = await links.waiting(session, link_id=UUID(link_id))
        if link is None:
            return
        user = await users.by_email(session, email=link.email)
        if user is None or user.status != UserStatus.ACTIVE or user.email_verified_at is None:
            await links.drop(session, link=link)
            return
        link.user_id = user.id
        token = await links.seal(session, link=link)
        await mails.send(
            session,
            to=user.email,
            locale=user.locale,
            values=ResetPassword(
                link=mails.page(run.runtime, mails.RESET, token),
                valid=links.VALID[Purpose.RESET],
                device=link.data["device"],
                address=link.data["address"],
                at=link.created_at,
            ),
            dedupe_key=f"reset:{link.id.hex}",
        )


@job("accounts.answer_email_change", tries=3)
async def answer_email_change(run: Run, *, link_id: str) -> None:
    """Mail the new address a link, and the old one that takes it back."""
    await run.step(_email_change, link_id)


async def _email_change(run: Run, link_id: str) -> None:
    async with run.transaction() as session:
        link = await links.waiting(session, link_id=UUID(link_id))
        if link is None or link.user_id is None:
            return
        user = await users.by_id(session, user_id=link.user_id, lock=True)
        if user is None or user.email == link.email:
            await links.drop(session, link=link)
            return
        undo = await links.ask(
            session, purpose=Purpose.EMAIL_UNDO, email=user.email, user_id=user.id
        )
        await mails.send(
            session,
            to=user.email,
            locale=user.locale,
            values=EmailChangeNotice(
                link=mails.page(
                    run.runtime, mails.KEEP_EMAIL, await links.seal(session, link=undo)
                ),
                new_email=link.email,
                device=link.data["device"],
                address=link.data["address"],
                at=link.created_at,
            ),
            dedupe_key=f"email_notice:{link.id.hex}",
        )
        if await users.by_email(session, email=link.email) is not None:
            await mails.send(
                session,
                to=link.email,
                locale=user.locale,
                values=AccountExists(
                    link=mails.page(run.runtime, mails.SIGN_IN),
                    reset_link=mails.page(run.runtime, mails.FORGOT),
                ),
                dedupe_key=f"account_exists:{link.id.hex}",
            )
            await links.drop(session, link=link)
            return
        token = await links.seal(session, link=link)
        await mails.send(
            session,
            to=link.email,
            locale=user.locale,
            values=EmailChangeConfirm(
                link=mails.page(run.runtime, mails.CONFIRM_EMAIL, token),
                valid=links.VALID[Purpose.EMAIL],
                device=link.data["device"],
                address=link.data["address"],
                at=link.created_at,
            ),
            dedupe_key=f"email_confirm:{link.id.hex}",
        )
