"""Passkeys (WebAuthn): a way in of its own, and a second factor beside a password."""
