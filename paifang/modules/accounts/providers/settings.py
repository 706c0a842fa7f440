"""Settings of sign-in by another service."""

from dataclasses import dataclass

from paifang.core.settings import Section, setting
from paifang.core.settings.fields import Secret
from paifang.modules.accounts.providers.kinds import Provider, github, google, read


def _check(value: Secret) -> None:
    read(value.get_secret_value())


@dataclass(frozen=True)
class OidcSettings(Section):
    """Sign-in by another service: OpenID Connect, and GitHub."""

    google_client_id: str = setting("", "Google's client id. Empty: no sign-in with Google.")
    google_client_secret: Secret = setting(Secret(""), "The client secret beside it.")
    github_client_id: str = setting("", "GitHub's client id. Empty: no sign-in with GitHub.")
    github_client_secret: Secret = setting(Secret(""), "The client secret beside it.")
    github_url: str = setting(
        "https://github.com",
        "GitHub's address; that of your own GitHub Enterprise Server, if it is there.",
        pattern=r"^https?://[^\s/?#@]+$",
    )
    providers: Secret = setting(
        Secret(""),
        "Other providers, as a JSON list of objects with `id` (small letters, digits, `-`; it is "
        "in the redirect URL), `name` (for the button), `issuer`, `client_id` and `client_secret`; "
        "optional: `scopes`, a list (default `openid email profile`). The issuer is "
        "an https URL, or http on this machine, and serves `/.well-known/openid-configuration`.",
        check=_check,  # type: ignore[arg-type]  # a setting's check gets its value, here a Secret
    )
    timeout: float = setting(10.0, "Seconds to wait for each answer of a provider.", gt=0, le=60)

    def by_id(self) -> dict[str, Provider]:
        """The providers that are set up, in the order of their buttons."""
        found: list[Provider] = []
        if self.google_client_id:
            found.append(
                google(self.google_client_id, self.google_client_secret.get_secret_value())
            )
        if self.github_client_id:
            secret = self.github_client_secret.get_secret_value()
            found.append(github(self.github_client_id, secret, self.github_url))
        found += read(self.providers.get_secret_value())
        return {provider.id: provider for provider in found}
