"""Every provider: its base URL, its credential, and what an owner should know of it."""

from collections.abc import Iterable

from paifang.modules.gateway.channels.presets.chinese import CHINESE
from paifang.modules.gateway.channels.presets.hosts import HOSTS
from paifang.modules.gateway.channels.presets.makers import MAKERS
from paifang.modules.gateway.channels.presets.provider import BEARER, Provider
from paifang.modules.gateway.channels.presets.servers import LOCAL_PREFIX, SERVERS
from scripts.reference.markdown import code, page, table

INTRODUCTION = """
What a [channel](../guides/gateway.md#channels) can be set up with by a name: `provider` in the API,
`--provider` in a shell. It brings the base URL, the header the credential goes in, and the way the
upstream is asked for its models and, in a stream, for its usage. `paifang gateway providers list`
and `GET /api/v1/gateway/providers` tell the same.

A base URL of your own goes before the one here, and a name in braces in it is for you to fill in.
Any other upstream that speaks OpenAI's API is of the provider `openai`, with its base URL.

The variable is what the provider's own documents keep a credential in; Paifang reads a credential
from standard input or the API, never from there. *Has* names the endpoints its documents promise;
more may work. *Name the models* stands where a provider can't be asked which it has. The name links
to the document this was read in; terms, limits and prices are found there.
"""
SECTIONS: dict[str, Iterable[Provider]] = {
    "Makers of models": MAKERS,
    "In China, with their sites abroad": CHINESE,
    "Hosts of models": HOSTS,
    "Servers of your own": SERVERS,
}
_USAGE = {
    "asked": "",
    "always": "",
    "refused": "Streams are sent without `stream_options`; it tells their usage unasked.",
}


def write() -> str:
    """The page."""
    parts = [INTRODUCTION]
    for title, providers in SECTIONS.items():
        rows = table(["Provider", "Base URL", "Credential", "Has", "Notes"], map(row, providers))
        parts.append(f"## {title}\n\n{rows}")
    return page("Providers", *parts)


def row(provider: Provider) -> list[str]:
    """One provider of a table."""
    return [
        f"{code(provider.id)}: [{provider.label}]({provider.source})",
        code(provider.base_url or f"{LOCAL_PREFIX}<model>"),
        _credential(provider),
        ", ".join(provider.endpoints),
        _notes(provider),
    ]


def _credential(provider: Provider) -> str:
    if not provider.needs_credential:
        return "none"
    header = "" if provider.credential_header == BEARER else f" (as {provider.credential_header})"
    return f"[{code(provider.variable)}]({provider.keys_url}){header}"


def _notes(provider: Provider) -> str:
    blanks = [f"{code(f'{{{name}}}')}: {what}." for name, what in provider.placeholders.items()]
    facts = [
        *blanks,
        "" if provider.models is not None else "Name the models.",
        _USAGE[provider.stream_usage],
        provider.note.replace("<", "&lt;"),
    ]
    return " ".join(fact for fact in facts if fact)
