"""The manifest of ``access``."""

from paifang.core.module import Module
from paifang.modules.access.params import MEMBER_OFFERED

module = Module(
    name="access",
    authenticators=("paifang.modules.access.administrator.authenticator:administrator_key",),
    params=(MEMBER_OFFERED,),
    starts=("paifang.modules.access.start:start_access",),
)
