"""A channel that is not stored, to ask its upstream with what is typed into a form."""

from urllib.parse import urlsplit

from paifang.core.errors import Invalid
from paifang.core.secrets import Secrets
from paifang.modules.gateway.channels import service
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.channels.providers import manner_of, normal_base_url
from paifang.modules.gateway.relay import snapshot


def unsaved(
    *,
    provider: str,
    base_url: str,
    credential: str | None,
    stored: Channel | None,
    secrets: Secrets,
) -> snapshot.Channel:
    """The channel as the relay would know it.

    Args:
        provider: The id of a provider.
        base_url: Empty: the provider's own.
        credential: What was typed; None: that of ``stored``.
        stored: The channel that is being changed, if any.
        secrets: Decrypts its credential.

    Raises:
        Invalid: the base URL can't be right, or names another server than the stored credential
            is for: whoever may ask must not be able to read it at a server of their own.
        CredentialUnreadable: the stored credential can't be decrypted.
    """
    try:
        url = normal_base_url(provider, base_url)
    except ValueError as error:
        raise _invalid("base_url", str(error)) from None
    if credential is None and stored is not None and stored.credential is not None:
        old, new = urlsplit(stored.base_url), urlsplit(url)
        if (old.scheme, old.netloc) != (new.scheme, new.netloc):
            raise _invalid("credential", "send it again when the base URL names another server")
        credential = service.open_credential(stored, secrets=secrets)
    return snapshot.Channel(
        id="",
        name="preview",
        provider=provider,
        base_url=url,
        credential=credential or "",
        **manner_of(provider),
    )


def _invalid(field: str, message: str) -> Invalid:
    return Invalid(f"{field}: {message}", errors=[{"field": field, "message": message}])
