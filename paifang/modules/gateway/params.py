"""Values of the gateway that are kept in the database."""

from paifang.core.module import Param

WELCOMED = Param(
    "gateway.welcomed",
    default=False,
    description="Whether the first start has made its group and token.",
)
LOCAL_OFFERED = Param(
    "gateway.local_offered",
    default=False,
    description="Whether a channel for the packaged local model has been made. Deleting the "
    "channel does not bring it back.",
)
TOKENS_PER_PERSON = Param(
    "gateway.tokens_per_person",
    default=50,
    description="Tokens that one person may have in a group; revoked ones do not count.",
)
TEAMS_PER_PERSON = Param(
    "gateway.teams_per_person",
    default=5,
    description="Teams that one person may own and still make another; 0: people make none. Who "
    "may make teams at all is told by the permission gateway.teams:write.",
)
MEMBERS_PER_TEAM = Param(
    "gateway.members_per_team",
    default=100,
    description="Members and open invitations that a team may have.",
)
