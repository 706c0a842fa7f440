"""WebAuthn's two ceremonies, without a database: what a browser is asked, and what it answers.

``webauthn`` is imported when the first passkey is used: it costs 25 MB and a fifth of a second,
which is why the callers run these in a thread.
"""

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from paifang.modules.accounts.passkeys.errors import PasskeyRefused
from paifang.modules.accounts.passkeys.party import NAME, Party

log = logging.getLogger("paifang.accounts")

TIMEOUT = 300_000
"""Milliseconds that a browser gives the person."""
LONGEST_ID = 512
"""Bytes of a credential's id that we take; real ones have 16 to about 250."""


@dataclass(frozen=True, slots=True)
class Known:
    """A passkey that a browser is told of."""

    credential_id: str
    transports: Sequence[str]


@dataclass(frozen=True, slots=True)
class New:
    """A passkey that a browser has made."""

    credential_id: str
    public_key: bytes
    sign_count: int
    aaguid: str
    transports: list[str]
    synced: bool
    backed_up: bool


@dataclass(frozen=True, slots=True)
class Used:
    """What a passkey that was used has said."""

    sign_count: int
    backed_up: bool


def creation_options(
    party: Party, *, user_id: bytes, email: str, name: str, known: Sequence[Known]
) -> dict[str, Any]:
    """What ``navigator.credentials.create`` is asked, as JSON.

    A discoverable passkey with user verification, so that it may be the only factor. Those that
    are known are named, so that no authenticator makes a second one.
    """
    import webauthn  # noqa: PLC0415  # see above
    from webauthn.helpers import options_to_json_dict, structs  # noqa: PLC0415  # see above

    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name=NAME,
        user_id=user_id,
        user_name=email,
        user_display_name=name,
        timeout=TIMEOUT,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[_descriptor(passkey) for passkey in known],
    )
    return options_to_json_dict(options)


def request_options(party: Party, *, known: Sequence[Known] = ()) -> dict[str, Any]:
    """What ``navigator.credentials.get`` is asked, as JSON; without known ones, for any."""
    import webauthn  # noqa: PLC0415  # see above
    from webauthn.helpers import options_to_json_dict, structs  # noqa: PLC0415  # see above

    options = webauthn.generate_authentication_options(
        rp_id=party.id,
        timeout=TIMEOUT,
        allow_credentials=[_descriptor(passkey) for passkey in known],
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def created(party: Party, *, credential: dict[str, Any], challenge: str) -> New:
    """The passkey that a browser has made.

    Raises:
        PasskeyRefused: it was made for another site, another question, or without the person.
    """
    import webauthn  # noqa: PLC0415  # see above
    from webauthn.helpers import structs  # noqa: PLC0415  # see above

    try:
        _check_frame(credential)
        verified = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=webauthn.base64url_to_bytes(challenge),
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except Exception as error:  # noqa: BLE001  # whatever it is that strangers' bytes break
        raise _refused(error) from None
    if len(verified.credential_id) > LONGEST_ID:
        raise PasskeyRefused(f"Its id is longer than {LONGEST_ID} bytes.")
    told = credential.get("response", {}).get("transports") or []
    transports = {str(t)[:16] for t in told if isinstance(t, str)}
    return New(
        credential_id=webauthn.helpers.bytes_to_base64url(verified.credential_id),
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        aaguid=verified.aaguid,
        transports=sorted(transports & {t.value for t in structs.AuthenticatorTransport}),
        synced=verified.credential_device_type == structs.CredentialDeviceType.MULTI_DEVICE,
        backed_up=verified.credential_backed_up,
    )


def used(
    party: Party, *, credential: dict[str, Any], challenge: str, public_key: bytes, sign_count: int
) -> Used:
    """What a passkey says that a browser was asked for.

    Raises:
        PasskeyRefused: it does not answer this question at this site with this key, the person
            was not verified, or its count went back, as that of a copy does.
    """
    import webauthn  # noqa: PLC0415  # see above

    try:
        _check_frame(credential)
        verified = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=webauthn.base64url_to_bytes(challenge),
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,  # compared below, where it is told apart
            require_user_verification=True,
        )
    except Exception as error:  # noqa: BLE001  # whatever it is that strangers' bytes break
        raise _refused(error) from None
    count = verified.new_sign_count
    if (count or sign_count) and count <= sign_count:
        log.warning("a passkey's count went from %d to %d: there may be a copy", sign_count, count)
        raise PasskeyRefused(
            "Its count went back, as that of a copy does. Remove it if you have not restored the "
            "device, and sign in another way."
        )
    return Used(count, verified.credential_backed_up)


def credential_id(credential: dict[str, Any]) -> str:
    """The id of the passkey that a browser used, as far as it is one."""
    found = credential.get("id")
    is_one = isinstance(found, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,684}", found)
    return str(found) if is_one else ""


def user_handle(credential: dict[str, Any]) -> bytes | None:
    """Whose passkey the authenticator says it is; None when it does not say."""
    from webauthn import base64url_to_bytes  # noqa: PLC0415  # see above

    response = credential.get("response")
    told = response.get("userHandle") if isinstance(response, dict) else None
    if not isinstance(told, str) or not told:
        return None
    try:
        return base64url_to_bytes(told)
    except ValueError:
        return b""


def _check_frame(credential: dict[str, Any]) -> None:
    """Refuse what was made in another site's frame; the library does not look there."""
    from webauthn import base64url_to_bytes  # noqa: PLC0415  # see above

    client_data = json.loads(base64url_to_bytes(credential["response"]["clientDataJSON"]))
    if client_data.get("crossOrigin") or client_data.get("topOrigin"):
        raise ValueError("it was used in a frame of another site")


def _descriptor(passkey: Known) -> Any:
    from webauthn import base64url_to_bytes  # noqa: PLC0415  # see above
    from webauthn.helpers import structs  # noqa: PLC0415  # see above

    return structs.PublicKeyCredentialDescriptor(
        id=base64url_to_bytes(passkey.credential_id),
        transports=[structs.AuthenticatorTransport(t) for t in passkey.transports],
    )


def _refused(error: Exception) -> PasskeyRefused:
    # The reason is for the log: a person can do nothing with it, and it quotes what was sent.
    log.info("a passkey was refused: %s", type(error).__name__)
    return PasskeyRefused(
        "What the browser sent does not fit this site and this question. Begin again."
    )
