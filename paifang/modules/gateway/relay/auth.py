"""Who calls: from a bearer to a caller, with nothing but the snapshot in memory."""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from paifang.modules.gateway.relay import credential
from paifang.modules.gateway.relay.errors import INVALID, Refusal
from paifang.modules.gateway.relay.record import MAX_USER_AGENT
from paifang.modules.gateway.relay.snapshot import Group, Snapshot, Token

KEY_PREFIX = "pf_live_"
COMPATIBLE_PREFIX = "sk-"
"""Some front ends put it before every key they show; it is taken off."""
MAX_KEY_LENGTH = 128

_SHAPE = f"keys begin with {KEY_PREFIX}"


@dataclass(slots=True)
class RequestHead:
    """What the relay reads from a request's headers."""

    bearer: str = ""
    user_agent: str = ""
    content_length: int | None = None


@dataclass(slots=True)
class Caller:
    """An authenticated caller: a token's, or a signed-in person through our own pages."""

    group: Group
    token: Token | None = None
    person: str | None = None
    purpose: str = "api"

    def may_use(self, model: str) -> bool:
        """Whether this caller may call the model."""
        token = self.token
        models = self.group.models if token is None else token.models
        return models is None or model in models


@dataclass(slots=True)
class Known:
    """What a request's head came to. It holds for the same head while the snapshot is the same
    and ``until`` (unix seconds) is not reached.
    """

    snapshot: Snapshot
    until: float
    caller: Caller
    user_agent: str


def know(snapshot: Snapshot, head: RequestHead, caller: Caller) -> Known:
    """What may be remembered of an authenticated head."""
    until = 0.0  # an internal credential is short-lived, and checked each time
    if caller.token is not None:
        until = math.inf if caller.token.expires_at is None else caller.token.expires_at
    return Known(snapshot, until, caller, head.user_agent)


def read_head(headers: Iterable[tuple[bytes, bytes]]) -> RequestHead:
    """Read a request's headers once. Raises :class:`Refusal` for a malformed length."""
    head = RequestHead()
    for name, value in headers:
        if name == b"authorization":
            head.bearer = _bearer(value.decode("latin-1")) or head.bearer
        elif name == b"x-api-key":
            if not head.bearer:
                head.bearer = value.decode("latin-1").strip()
        elif name == b"user-agent":
            head.user_agent = value[:MAX_USER_AGENT].decode("latin-1")
        elif name == b"content-length":
            if not value.isdigit():
                raise Refusal(400, "invalid_header", "The header Content-Length is not a number.")
            head.content_length = int(value)
    return head


def _bearer(value: str) -> str:
    value = value.strip()
    if value[:7].lower() == "bearer ":
        return value[7:].strip()
    return "" if value.lower() == "bearer" else value


def authenticate(
    snapshot: Snapshot, head: RequestHead, *, internal_key: bytes, now: float
) -> Caller:
    """The caller behind a bearer. Raises :class:`Refusal` (401, or 403 for a disabled group).

    Where the client calls from is checked later, by :func:`check_address`: a known key from a
    wrong address is worth a record.
    """
    key = head.bearer.removeprefix(COMPATIBLE_PREFIX)
    if not key:
        raise _unauthorized(
            "You did not give an API key. Send it in the header 'Authorization: Bearer "
            f"{KEY_PREFIX}...'."
        )
    if key.startswith(KEY_PREFIX):
        return _by_token(snapshot, key, now)
    if key.startswith(credential.PREFIX):
        return _by_credential(snapshot, key, internal_key, now)
    raise _unauthorized(f"The API key has the wrong form: {_SHAPE}. Copy it again in full.")


def _by_token(snapshot: Snapshot, key: str, now: float) -> Caller:
    if len(key) > MAX_KEY_LENGTH or not key.isascii():
        raise _unauthorized("The API key has the wrong form. Copy it again in full.")
    token = snapshot.tokens.get(hashlib.sha256(key.encode("ascii")).digest())
    if token is None:
        raise _unauthorized("The API key is not known. Check that it was copied in full.")
    if token.status != "enabled":
        raise _unauthorized(
            f"The API key {token.name!r} is {token.status}. Ask for another one, or for it to "
            "be enabled."
        )
    if token.expires_at is not None and now >= token.expires_at:
        raise _unauthorized(f"The API key {token.name!r} has expired. Make a new one.")
    _check_group(token.group)
    return Caller(token.group, token)


def _by_credential(snapshot: Snapshot, bearer: str, internal_key: bytes, now: float) -> Caller:
    try:
        known = credential.verify(internal_key, bearer, now)
    except credential.CredentialError as error:
        raise _unauthorized(f"The internal credential is not accepted: {error}.") from None
    group = snapshot.groups.get(known.group)
    if group is None:
        raise _unauthorized("The internal credential names a group that does not exist.")
    _check_group(group)
    return Caller(group, None, known.person, known.purpose)


def _check_group(group: Group) -> None:
    if not group.enabled:
        raise Refusal(
            403,
            "group_disabled",
            f"The group {group.id!r} is disabled. Ask an administrator to enable it.",
        )


def check_address(caller: Caller, address: str) -> None:
    """Raise :class:`Refusal` (403) when the token must not be used from this address."""
    token = caller.token
    if token is None or not token.networks:
        return
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        ip = None
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip is None or not any(ip in network for network in token.networks):
        raise Refusal(
            403,
            "address_not_allowed",
            f"The API key {token.name!r} must not be used from {address or 'this address'}. "
            "Call from an allowed network, or add this one to the key.",
        )


def _unauthorized(message: str) -> Refusal:
    return Refusal(
        401,
        "invalid_api_key",
        message,
        kind=INVALID,
        headers=((b"www-authenticate", b"Bearer"),),
    )
