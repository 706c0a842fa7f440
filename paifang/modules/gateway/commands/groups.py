"""``paifang gateway groups``."""

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
from paifang.core.runtime import Runtime
from paifang.modules.gateway.groups import service
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.money import money_text
from paifang.modules.gateway.settings import GatewaySettings


@click.group()
def groups() -> None:
    """The tenants: a person or a team each."""


def _shown(group: Group) -> dict[str, object]:
    return {
        "id": group.id,
        "name": group.name,
        "kind": group.kind,
        "status": group.status,
        "models": group.models,
        "quota": None if group.quota is None else money_text(group.quota),
        "rpm": group.rpm,
        "tpm": group.tpm,
        "concurrency": group.concurrency,
        "unpriced": group.unpriced,
        "used": money_text(group.used),
        "requests": group.requests,
        "created_at": group.created_at,
    }


@groups.command("list")
@page_option
@json_option
@runtime_command
async def list_groups(runtime: Runtime, *, page: int, as_json: bool) -> None:
    """List groups, the newest first."""
    async with runtime.db.reading() as session:
        found = await service.list_page(session, caller=OPERATOR, paging=page_query(page))
    columns = ["id", "status", "rpm", "tpm", "concurrency", "used", "requests"]
    print_list(found, lambda view: _shown(view.group), columns, as_json=as_json)


@groups.command("create")
@click.option("--id", "group_id", help="Its id.  [default: made]")
@click.option("--rpm", type=int, help="Requests per minute.  [default: no limit]")
@click.option("--tpm", type=int, help="Model tokens per minute.  [default: no limit]")
@click.option("--concurrency", type=int, help="Calls in flight.  [default: no limit]")
@json_option
@runtime_command
async def create_group(
    runtime: Runtime,
    *,
    group_id: str | None,
    rpm: int | None,
    tpm: int | None,
    concurrency: int | None,
    as_json: bool,
) -> None:
    """Make a group."""
    async with runtime.db.transaction() as session:
        group = await service.create(
            session,
            actor=OPERATOR,
            group_id=group_id,
            unpriced=runtime.settings.area(GatewaySettings).unpriced,
            rpm=rpm,
            tpm=tpm,
            concurrency=concurrency,
        )
    if as_json:
        print_json(_shown(group))
    else:
        click.echo(f"Made the group {group.id}.")


@groups.command("delete")
@click.argument("group_id")
@click.confirmation_option(prompt="Delete the group and all its tokens?")
@runtime_command
async def delete_group(runtime: Runtime, *, group_id: str) -> None:
    """Delete a group and its tokens. Its logs stay."""
    async with runtime.db.transaction() as session:
        count = await service.delete(session, actor=OPERATOR, group_id=group_id)
    click.echo(f"Deleted the group {group_id} and its {count} tokens.")
