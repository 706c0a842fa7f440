"""How the profile refuses."""

from paifang.modules.accounts.sessions.errors import NoPerson

__all__ = ["NoPerson"]
