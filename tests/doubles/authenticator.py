"""A passkey authenticator in software, and the browser in front of it.

It does what a real one does, byte for byte, and on demand what a broken or a hostile one would:
every part of what it says can be overridden.
"""

import base64
import hashlib
import json
import secrets
import struct
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Credential:
    """A passkey as its authenticator keeps it."""

    rp_id: str
    user_handle: bytes
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    count: int = 0

    def cose(self) -> bytes:
        numbers = self.key.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})


@dataclass
class Authenticator:
    """It and its browser, which stands at ``origin``.

    Args:
        origin: What the browser's address bar shows.
        counts: Whether it counts its uses; synced passkeys don't.
        synced: Whether its passkeys may be copied, and are.
        verifies: Whether it has made sure who the person is.
    """

    origin: str
    counts: bool = True
    synced: bool = True
    verifies: bool = True
    credentials: list[Credential] = field(default_factory=list)

    def create(self, options: dict[str, Any], **changed: Any) -> dict[str, Any]:
        """``navigator.credentials.create``; ``changed`` are ``origin``, ``rp_id``, ``challenge``,
        ``type``, ``cross_origin``, ``flags``.
        """
        known = {item["id"] for item in options.get("excludeCredentials", [])}
        if known & {b64(c.id) for c in self.credentials}:
            raise ValueError("InvalidStateError: it has one for this account")
        credential = Credential(options["rp"]["id"], unb64(options["user"]["id"]))
        self.credentials.append(credential)
        attested = bytes(16) + struct.pack(">H", len(credential.id)) + credential.id
        data = self._data(credential, ATTESTED, changed) + attested + credential.cose()
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._told(
            credential,
            {
                "clientDataJSON": b64(self._client("webauthn.create", options, changed)),
                "attestationObject": b64(attestation),
                "transports": ["internal", "hybrid"],
            },
        )

    def get(
        self, options: dict[str, Any], *, credential: Credential | None = None, **changed: Any
    ) -> dict[str, Any]:
        """``navigator.credentials.get``; ``changed`` as above, with ``count``, ``user_handle``,
        and ``key`` to sign with another.
        """
        allowed = {item["id"] for item in options.get("allowCredentials", [])}
        if credential is None:
            fitting = [
                c
                for c in self.credentials
                if c.rp_id == options["rpId"] and (not allowed or b64(c.id) in allowed)
            ]
            if not fitting:
                raise ValueError("NotAllowedError: it has none for this site")
            credential = fitting[-1]
        if self.counts:
            credential.count += 1
        data = self._data(credential, 0, changed)
        client = self._client("webauthn.get", options, changed)
        key = changed.get("key", credential.key)
        signature = key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._told(
            credential,
            {
                "clientDataJSON": b64(client),
                "authenticatorData": b64(data),
                "signature": b64(signature),
                "userHandle": b64(changed.get("user_handle", credential.user_handle)),
            },
        )

    def _data(self, credential: Credential, more: int, changed: dict[str, Any]) -> bytes:
        flags = PRESENT | more
        flags |= VERIFIED if self.verifies else 0
        flags |= ELIGIBLE | BACKED_UP if self.synced else 0
        rp_id = changed.get("rp_id", credential.rp_id)
        count = changed.get("count", credential.count)
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(
            ">BI", changed.get("flags", flags), count
        )

    def _client(self, kind: str, options: dict[str, Any], changed: dict[str, Any]) -> bytes:
        return json.dumps(
            {
                "type": changed.get("type", kind),
                "challenge": changed.get("challenge", options["challenge"]),
                "origin": changed.get("origin", self.origin),
                "crossOrigin": changed.get("cross_origin", False),
            }
        ).encode()

    def _told(self, credential: Credential, response: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": b64(credential.id),
            "rawId": b64(credential.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }
