"""``paifang gateway prices``."""

from datetime import datetime

import click

from paifang.core.commands import (
    OPERATOR,
    json_option,
    page_option,
    page_query,
    print_json,
    print_rest,
    print_table,
    runtime_command,
)
from paifang.core.runtime import Runtime
from paifang.modules.gateway.commands.options import MONEY
from paifang.modules.gateway.money import money_text
from paifang.modules.gateway.prices import service
from paifang.modules.gateway.prices.models import Price
from paifang.modules.gateway.settings import GatewaySettings

BUCKETS = ("input", "cached_input", "cache_write", "output", "reasoning", "request")


@click.group()
def prices() -> None:
    """What models cost, per million model tokens."""


def _shown(price: Price) -> dict[str, object]:
    return {
        "model": price.model,
        "valid_from": price.valid_from,
        **{bucket: money_text(getattr(price, bucket)) for bucket in BUCKETS},
    }


@prices.command("list")
@click.option("--model", help="Only this model's.")
@click.option("--history", is_flag=True, help="Also those that no longer or not yet hold.")
@page_option
@json_option
@runtime_command
async def list_prices(
    runtime: Runtime, *, model: str | None, history: bool, page: int, as_json: bool
) -> None:
    """List the prices that hold now, and the models that have none."""
    async with runtime.db.reading() as session:
        found = await service.list_page(
            session,
            paging=page_query(page, "model"),
            model=model,
            only_current=not history,
        )
        served = await service.served_models(session)
    rows = [_shown(price) for price in found.items]
    unpriced = [s.model for s in served if s.price is None and model in {None, s.model}]
    if as_json:
        print_json({"prices": rows, "unpriced": unpriced})
        return
    columns = ["model", "valid_from", *BUCKETS]
    print_table(columns, ([row[column] for column in columns] for row in rows))
    print_rest(found)
    currency = runtime.settings.area(GatewaySettings).currency
    click.echo(f"\nIn {currency}, per million model tokens; request: per request.")
    if unpriced:
        click.echo(f"Without a price: {', '.join(unpriced)}")


@prices.command("set")
@click.argument("model")
@click.option("--input", "input_", type=MONEY, required=True, help="Prompt tokens.")
@click.option("--output", type=MONEY, required=True, help="Generated tokens.")
@click.option("--cached-input", type=MONEY, help="Prompt tokens from the cache.  [default: input]")
@click.option("--cache-write", type=MONEY, help="Tokens written to the cache.  [default: input]")
@click.option("--reasoning", type=MONEY, help="Tokens used to think.  [default: output]")
@click.option("--request", type=MONEY, default="0", help="Per request.  [default: 0]")
@click.option(
    "--from",
    "valid_from",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]),
    help="From when it holds, like 2027-01-01T00:00:00+00:00.  [default: now]",
)
@json_option
@runtime_command
async def set_price(
    runtime: Runtime,
    *,
    model: str,
    input_: int,
    output: int,
    cached_input: int | None,
    cache_write: int | None,
    reasoning: int | None,
    request: int,
    valid_from: datetime | None,
    as_json: bool,
) -> None:
    """Set what MODEL costs from now on, per million model tokens. Past calls keep their price."""
    async with runtime.db.transaction() as session:
        price = await service.create(
            session,
            actor=OPERATOR,
            model=model,
            input=input_,
            output=output,
            cached_input=cached_input,
            cache_write=cache_write,
            reasoning=reasoning,
            request=request,
            valid_from=valid_from,
        )
    if as_json:
        print_json(_shown(price))
    else:
        click.echo(f"{model} has a new price from {price.valid_from:%Y-%m-%d %H:%M:%S} UTC on.")
