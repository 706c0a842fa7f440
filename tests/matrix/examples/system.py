"""Examples of system: mail."""

from uuid import UUID

from matrix.walk import Example, World, example
from paifang.core.ids import uuid7
from paifang.core.mail import Mail, MailState


async def a_mail(world: World, state: MailState) -> UUID:
    made = uuid7()
    async with world.db.transaction() as session:
        session.add(
            Mail(
                id=made,
                to="somebody@example.org",
                subject="Subject",
                text="Text",
                state=state,
                dedupe_key=made.hex,
            )
        )
    return made


@example("mail.get_inbox_mail")
async def _(world: World) -> Example:
    return Example(path={"mail_id": await a_mail(world, MailState.KEPT)})


@example("mail.retry_mail")
async def _(world: World) -> Example:
    return Example(path={"mail_id": await a_mail(world, MailState.FAILED)})
