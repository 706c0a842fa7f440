"""An installation with a provider that speaks OpenID Connect, and with GitHub."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from doubles.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider
from modules.accounts.factors.people import Clock
from paifang.core.runtime import Runtime
from paifang.core.settings.fields import Secret
from paifang.modules.accounts.providers.settings import OidcSettings


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    """The service; one for both, as a GitHub Enterprise Server is."""
    with IdentityProvider() as provider:
        yield provider


@pytest.fixture(autouse=True)
def installed(runtime: Runtime, provider: IdentityProvider) -> None:
    """The settings that name it."""
    company = {
        "id": "company",
        "name": "The Company",
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    oidc = OidcSettings(
        github_client_id=CLIENT_ID,
        github_client_secret=Secret(CLIENT_SECRET),
        github_url=provider.url,
        providers=Secret(json.dumps([company])),
        timeout=5.0,
    )
    runtime.settings = replace(runtime.settings, public_url="https://paifang.test", oidc=oidc)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands until it is moved."""
    clock = Clock()
    for part in ("totp", "ceremonies"):
        monkeypatch.setattr(f"paifang.modules.accounts.{part}.service.utc_now", clock)
    return clock
