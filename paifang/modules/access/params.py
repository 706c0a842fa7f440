"""Values of access that are kept in the database."""

from paifang.core.module import Param

MEMBER_OFFERED: Param = Param(
    "access.member_offered",
    default=[],
    description="The permissions that the role member has once been given. One that an "
    "administrator took from it does not come back.",
)
