"""``paifang gateway providers``."""

import click

from paifang.core.commands import json_option, print_json, print_table
from paifang.modules.gateway.channels.providers import PROVIDERS, Provider
from paifang.modules.gateway.commands.options import PROVIDER


@click.group()
def providers() -> None:
    """The kinds of upstream a channel can have: what is known of each."""


def _shown(provider: Provider) -> dict[str, object]:
    return {
        "id": provider.id,
        "label": provider.label,
        "base_url": provider.base_url,
        "placeholders": dict(provider.placeholders),
        "needs_credential": provider.needs_credential,
        "variable": provider.variable,
        "keys_url": provider.keys_url,
        "source": provider.source,
        "lists_models": provider.models is not None,
        "endpoints": list(provider.endpoints),
        "stream_usage": provider.stream_usage,
        "note": provider.note,
    }


@providers.command("list")
@json_option
def list_providers(*, as_json: bool) -> None:
    """List providers. Any other that speaks OpenAI's API is of the provider openai."""
    if as_json:
        print_json([_shown(provider) for provider in PROVIDERS.values()])
        return
    print_table(
        ["provider", "name", "credential", "base_url"],
        (
            [p.id, p.label, "yes" if p.needs_credential else "no", p.base_url or "local:<model>"]
            for p in PROVIDERS.values()
        ),
    )


@providers.command("show")
@click.argument("provider", type=PROVIDER)
@json_option
def show_provider(*, provider: str, as_json: bool) -> None:
    """Show what is known of PROVIDER."""
    found = PROVIDERS[provider]
    if as_json:
        print_json(_shown(found))
        return
    lines = {
        "name": found.label,
        "base URL": found.base_url or "local:<model>",
        **{f"  {{{name}}}": what for name, what in found.placeholders.items()},
        "credential": "needed" if found.needs_credential else "not needed",
        "often kept in": found.variable,
        "from": found.keys_url,
        "endpoints": ", ".join(found.endpoints),
        "its documents": found.source,
        "note": found.note,
    }
    for name, text in lines.items():
        if text:
            click.echo(f"{name:<14} {text}")
