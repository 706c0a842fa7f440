"""``paifang accounts …``: looking after people from a shell."""

import click

from paifang.core.commands import (
    OPERATOR,
    invocation,
    json_option,
    page_option,
    page_query,
    print_list,
    runtime_command,
)
from paifang.core.runtime import Runtime
from paifang.modules.access.roles.service import seed
from paifang.modules.accounts import mails
from paifang.modules.accounts.links import service as links
from paifang.modules.accounts.links.models import Purpose
from paifang.modules.accounts.people import reading, service
from paifang.modules.accounts.people.reading import Person, Wanted
from paifang.modules.accounts.sign_up import setup
from paifang.modules.accounts.totp import service as totp
from paifang.modules.accounts.users import service as users
from paifang.modules.accounts.users.errors import UserNotFound
from paifang.modules.accounts.users.models import User


@click.group()
def accounts() -> None:
    """Look after people: the set-up link, who there is, and letting them in again."""


@accounts.command("setup-link")
@runtime_command
async def setup_link(runtime: Runtime) -> None:
    """Print a link that makes the first administrator; it works once, for 30 minutes."""
    await seed(runtime.db, runtime.modules)
    async with runtime.db.transaction() as session:
        link = await setup.make_link(session, runtime=runtime)
    click.echo(link)


@accounts.command("list")
@click.option("--status", type=click.Choice(["pending", "active", "disabled"]), help="Only these.")
@page_option
@json_option
@runtime_command
async def list_accounts(runtime: Runtime, *, status: str | None, page: int, as_json: bool) -> None:
    """List people, the newest first."""
    async with runtime.db.reading() as session:
        found = await reading.list_page(
            session, caller=OPERATOR, paging=page_query(page), wanted=Wanted(status=status)
        )
    columns = ["email", "display_name", "status", "roles", "last_seen_at"]
    print_list(found, _shown, columns, as_json=as_json)


@accounts.command("disable")
@click.argument("email")
@click.option("--reason", help="For administrators.")
@runtime_command
async def disable(runtime: Runtime, *, email: str, reason: str | None) -> None:
    """Shut somebody out, at once."""
    async with runtime.db.transaction() as session:
        user = await _found(runtime, email)
        await service.disable(session, actor=OPERATOR, user_id=user.id, reason=reason)
    click.echo(f"{user.email} is shut out, and all sessions of theirs have ended.")


@accounts.command("reset-link")
@click.argument("email")
@runtime_command
async def reset_link(runtime: Runtime, *, email: str) -> None:
    """Print a link that sets somebody's password; it works once, for 30 minutes.

    For who has lost their mail, too. A second factor is asked for as ever.
    """
    user = await _found(runtime, email)
    async with runtime.db.transaction() as session:
        link = await links.ask(session, purpose=Purpose.RESET, email=user.email, user_id=user.id)
        token = await links.seal(session, link=link)
    click.echo(mails.page(runtime, mails.RESET, token))


@accounts.command("reset-factors")
@click.argument("email")
@runtime_command
async def reset_factors(runtime: Runtime, *, email: str) -> None:
    """Take somebody's second factors away who has lost them all, and end their sessions.

    They sign in with their password then; reset-link gives them a new one.
    """
    user = await _found(runtime, email)
    async with runtime.db.transaction() as session:
        await service.reset_factors(session, runtime=runtime, actor=OPERATOR, user_id=user.id)
    click.echo(
        f"{user.email} has no second factor any more, and all sessions of theirs have ended."
    )


@accounts.command("rotate-secrets")
@runtime_command
async def rotate_secrets(runtime: Runtime) -> None:
    """Encrypt the secrets of authenticator apps with the current encryption key."""
    async with runtime.db.transaction() as session:
        count = await totp.rotate(session, secrets=runtime.secrets)
    click.echo(f"{count} secrets are encrypted with the current key.")


async def _found(runtime: Runtime, email: str) -> User:
    async with runtime.db.reading() as session:
        user = await users.by_email(session, email=email)
    if user is None:
        command = f"{invocation(runtime.settings.home)} accounts list"
        raise UserNotFound(f"Nobody has the address {email}; `{command}` lists who there is.")
    return user


def _shown(person: Person) -> dict[str, object]:
    user = person.user
    return {
        "id": user.id,
        "email": user.email,
        "display_name": user.display_name,
        "status": user.status,
        "roles": [role.code for role in person.roles],
        "created_at": user.created_at,
        "last_seen_at": user.last_seen_at,
    }
