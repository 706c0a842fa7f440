"""How the profile refuses."""

from paifang.modules.accounts.users.errors import NoPerson

__all__ = ["NoPerson"]
