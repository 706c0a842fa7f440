"""Examples of accounts."""

import io
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from PIL import Image
from sqlalchemy import update

from matrix.examples.access import a_position
from matrix.walk import Example, World, example
from modules.accounts.people import OTHER_PASSWORD, PASSWORD, solve
from paifang.core.db import utc_now
from paifang.core.ids import uuid7
from paifang.core.scope import unscoped
from paifang.modules.accounts import pictures
from paifang.modules.accounts.challenges.service import Throttles
from paifang.modules.accounts.entry.cookies import NAME
from paifang.modules.accounts.entry.service import tokens_of
from paifang.modules.accounts.invitations import service as invitations
from paifang.modules.accounts.links import service as links
from paifang.modules.accounts.links.models import Purpose
from paifang.modules.accounts.passwords.hashing import hasher_of
from paifang.modules.accounts.settings import AccountsSettings
from paifang.modules.accounts.users.models import User


async def somebody(world: World, status: str = "active", **values: Any) -> UUID:
    """A person in the department that is far away, with some columns set."""
    made = await world.person(department=world.far, status=status)
    if values:
        statement = unscoped(update(User).where(User.id == made).values(values), "just made")
        async with world.db.transaction() as session:
            await session.execute(statement)
    return made


async def with_password(world: World) -> str:
    """The mail address of somebody who signs in by :data:`PASSWORD`."""
    hashed = await hasher_of(world.runtime).hash(PASSWORD)
    return address(await somebody(world, password_hash=hashed, email_verified_at=utc_now()))


def address(user_id: UUID) -> str:
    return f"{user_id.hex}@example.org"


def new_address() -> str:
    return address(uuid7())


def solution(world: World) -> str:
    """A proof of work that was not used."""
    settings = world.runtime.settings.area(AccountsSettings)
    return solve(Throttles(world.runtime.secrets, settings).challenge())


async def a_link(world: World, purpose: Purpose, **values: Any) -> str:
    """The token of a link that was mailed."""
    async with world.db.transaction() as session:
        link = await links.ask(session, purpose=purpose, **values)
        return await links.seal(session, link=link)


async def an_invitation(world: World, email: str | None = None) -> tuple[UUID, str]:
    """An invitation, and the address at which it is accepted."""
    async with world.db.transaction() as session:
        made, link = await invitations.create(
            session, runtime=world.runtime, actor=world.operator, email=email
        )
    return made.id, link


def a_picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 30, 30)).save(out, "PNG")
    return out.getvalue()


# --- getting in ---


@example("auth.sign_up")
async def _(world: World) -> Example:
    email = new_address()
    _, link = await an_invitation(world, email)
    body = {"email": email, "password": PASSWORD, "display_name": "New"}
    token = link.partition("#invitation=")[2]
    return Example(json={**body, "invitation": token, "challenge": solution(world)})


@example("auth.verify")
async def _(world: World) -> Example:
    who = await somebody(world, status="pending")
    wanted = {"password_hash": None, "display_name": "N", "locale": "en", "invitation_id": None}
    token = await a_link(world, Purpose.VERIFY, email=address(who), user_id=who, data=wanted)
    return Example(json={"token": token})


@example("auth.resend")
@example("auth.forgot")
async def _(world: World) -> Example:
    return Example(json={"email": new_address(), "challenge": solution(world)})


@example("auth.set_up")
async def _(world: World) -> Example:
    token = await a_link(world, Purpose.SETUP, email="")
    body = {"email": new_address(), "password": PASSWORD, "display_name": "First"}
    return Example(json={**body, "token": token})


@example("auth.sign_in")
async def _(world: World) -> Example:
    return Example(json={"email": await with_password(world), "password": PASSWORD})


@example("auth.token")
async def _(world: World) -> Example:
    who = {"username": await with_password(world), "password": PASSWORD}
    return Example(form={"grant_type": "password", **who})


@example("auth.refresh")
@example("auth.sign_out")
async def _(world: World) -> Example:
    token = tokens_of(world.runtime).refresh(await world.session_of(await somebody(world)), 0)
    return Example(headers={"cookie": f"{NAME}={token}"})


@example("auth.reset")
async def _(world: World) -> Example:
    who = await somebody(world)
    token = await a_link(world, Purpose.RESET, email=address(who), user_id=who)
    return Example(json={"token": token, "password": PASSWORD})


@example("auth.confirm_email")
async def _(world: World) -> Example:
    who = await somebody(world)
    token = await a_link(
        world, Purpose.EMAIL, email=new_address(), user_id=who, data={"old": address(who)}
    )
    return Example(json={"token": token})


@example("auth.keep_email")
async def _(world: World) -> Example:
    who = await somebody(world)
    token = await a_link(world, Purpose.EMAIL_UNDO, email=address(who), user_id=who)
    return Example(json={"token": token})


# --- one's own account ---


@example("account.update_profile")
async def _(world: World) -> Example:
    del world
    return Example(json={"display_name": "Other"})


@example("account.put_avatar")
async def _(world: World) -> Example:
    del world
    return Example(content=a_picture(), headers={"content-type": "image/png"})


@example("account.get_avatar")
async def _(world: World) -> Example:
    key = await pictures.store(world.runtime, data=a_picture(), media_type="image/png")
    return Example(path={"name": key.rpartition("/")[2]})


@example("account.change_password")
async def _(world: World) -> Example:
    del world
    return Example(json={"password": OTHER_PASSWORD})


@example("account.change_email")
async def _(world: World) -> Example:
    del world
    return Example(json={"email": new_address()})


async def my_session(world: World, user_id: UUID) -> Mapping[str, Any]:
    return {"session_id": await world.session_of(user_id)}


@example("account.end_session")
async def _(world: World) -> Example:
    return Example(path=await my_session(world, world.stranger), mine=my_session)


# --- people, as administrators see them ---


@example("people.list_users")
@example("people.export_users")
async def _(world: World) -> Example:
    return Example(shows=str(world.stranger))


@example("people.create_user")
async def _(world: World) -> Example:
    del world
    return Example(json={"email": new_address(), "display_name": "New"})


@example("people.batch_users")
async def _(world: World) -> Example:
    body = {"ids": [str(await somebody(world))], "action": "disable"}
    return Example(json=body, hidden=True)


@example("people.get_user")
@example("people.delete_user")
@example("people.sign_out_user")
@example("people.list_user_sessions")
async def _(world: World) -> Example:
    return Example(path={"user_id": await somebody(world)}, hidden=True)


@example("people.update_user")
async def _(world: World) -> Example:
    body = {"display_name": "Other"}
    return Example(path={"user_id": await somebody(world)}, json=body, hidden=True)


@example("people.disable_user")
async def _(world: World) -> Example:
    return Example(path={"user_id": await somebody(world)}, json={"reason": "Why"}, hidden=True)


@example("people.enable_user")
async def _(world: World) -> Example:
    return Example(path={"user_id": await somebody(world, status="disabled")}, hidden=True)


@example("people.approve_user")
async def _(world: World) -> Example:
    who = await somebody(world, status="pending", email_verified_at=utc_now())
    return Example(path={"user_id": who}, hidden=True)


@example("people.put_roles")
async def _(world: World) -> Example:
    body = {"role_ids": [str(await world.role())]}
    return Example(path={"user_id": await somebody(world)}, json=body, hidden=True)


@example("people.put_positions")
async def _(world: World) -> Example:
    body = {"position_ids": [str((await a_position(world))["position_id"])]}
    return Example(path={"user_id": await somebody(world)}, json=body, hidden=True)


@example("people.end_user_session")
async def _(world: World) -> Example:
    who = await somebody(world)
    path = {"user_id": who, "session_id": await world.session_of(who)}
    return Example(path=path, hidden=True)


@example("people.create_invitation")
async def _(world: World) -> Example:
    del world
    return Example(json={"email": new_address()})


@example("people.delete_invitation")
async def _(world: World) -> Example:
    made, _ = await an_invitation(world)
    return Example(path={"invitation_id": made})


@example("people.put_settings")
async def _(world: World) -> Example:
    del world
    limits = dict.fromkeys(("models", "rpm", "tpm", "concurrency", "quota"))
    return Example(json={"registration": "open", "new_person": {**limits, "local_models": True}})
