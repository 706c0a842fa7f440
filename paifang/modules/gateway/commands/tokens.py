"""``paifang gateway tokens``."""

from datetime import datetime, timedelta
from uuid import UUID

import click

from paifang.core.commands import (
    OPERATOR,
    json_option,
    page_option,
    page_query,
    print_json,
    print_list,
    runtime_command,
)
from paifang.core.db import utc_now
from paifang.core.runtime import Runtime
from paifang.modules.gateway.commands.options import MONEY
from paifang.modules.gateway.money import money_text
from paifang.modules.gateway.settings import GatewaySettings
from paifang.modules.gateway.tokens import reading, service
from paifang.modules.gateway.tokens.reading import TokenRow


@click.group()
def tokens() -> None:
    """The API keys of the groups."""


def _shown(token: TokenRow) -> dict[str, object]:
    return {
        "id": token["id"],
        "group": token["group_id"],
        "name": token["name"],
        "key": f"{token['prefix']}…{token['last_four']}",
        "state": token["state"],
        "quota": None if token["quota"] is None else money_text(token["quota"]),
        "used": money_text(token["used"]),
        "requests": token["requests"],
        "expires_at": token["expires_at"],
        "last_used_at": token["last_used_at"],
    }


@tokens.command("list")
@click.option("--group", "group_id", help="Only this group's.")
@page_option
@json_option
@runtime_command
async def list_tokens(runtime: Runtime, *, group_id: str | None, page: int, as_json: bool) -> None:
    """List tokens, the newest first. Keys are never shown again."""
    async with runtime.db.reading() as session:
        found = await reading.list_page(
            session, caller=OPERATOR, paging=page_query(page), group_id=group_id
        )
    columns = ["id", "group", "name", "key", "state", "used", "requests"]
    print_list(found, _shown, columns, as_json=as_json)


@tokens.command("create")
@click.option("--group", "group_id", required=True, help="The group it belongs to; made if new.")
@click.option("--name", required=True, help="Unique in the group.")
@click.option("--model", "models", multiple=True, help="A model it may call; repeatable.")
@click.option("--network", "networks", multiple=True, help="A CIDR block or address; repeatable.")
@click.option("--days", type=click.IntRange(1, 36_500), help="Days it is valid.  [default: ever]")
@click.option("--quota", type=MONEY, help="What it may spend, in the metering currency.")
@click.option("--rpm", type=int, help="Requests per minute.")
@click.option("--tpm", type=int, help="Model tokens per minute.")
@click.option("--concurrency", type=int, help="Calls in flight.")
@json_option
@runtime_command
async def create_token(
    runtime: Runtime,
    *,
    group_id: str,
    name: str,
    models: tuple[str, ...],
    networks: tuple[str, ...],
    days: int | None,
    quota: int | None,
    rpm: int | None,
    tpm: int | None,
    concurrency: int | None,
    as_json: bool,
) -> None:
    """Make a token. Its key is printed this once."""
    expires_at: datetime | None = None if days is None else utc_now() + timedelta(days=days)
    async with runtime.db.transaction() as session:
        token, key = await service.create(
            session,
            actor=OPERATOR,
            group_id=group_id,
            name=name,
            models=models or None,
            networks=networks,
            expires_at=expires_at,
            quota=quota,
            rpm=rpm,
            tpm=tpm,
            concurrency=concurrency,
            auto_create_group=True,
            group_unpriced=runtime.settings.area(GatewaySettings).unpriced,
        )
        shown = _shown(await reading.read(session, token))
    if as_json:
        print_json({**shown, "key": key})
        return
    click.echo(key)
    click.echo("Shown this once: keep it.", err=True)


@tokens.command("revoke")
@click.argument("token_id", type=click.UUID)
@runtime_command
async def revoke_token(runtime: Runtime, *, token_id: UUID) -> None:
    """Revoke a token for ever."""
    async with runtime.db.transaction() as session:
        token = await service.revoke(session, actor=OPERATOR, token_id=token_id)
    click.echo(f"Revoked {token.name} of the group {token.group_id}.")
