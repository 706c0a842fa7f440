"""Values of accounts' factors that are kept in the database."""

from paifang.core.module import Param

REQUIRE_SECOND_FACTOR = Param(
    "accounts.require_second_factor",
    default="off",
    description="Who needs a second factor: `off` nobody, `administrators` who holds a role beside "
    "`member`, `everybody`. Who has none sets one up before their next sign-in ends.",
)
RULES = ("off", "administrators", "everybody")
"""What the rule may say."""
